package main
import ("fmt";"os";"time";"strconv";"context";"encoding/json";"runtime/pprof";"syscall"
 "github.com/regctl/regctl/pkg/gc";"github.com/regctl/regctl/pkg/storage/storagetest")
func main(){
 n:=func(i int)int{v,_:=strconv.Atoi(os.Args[i]);return v}
 if os.Args[1]=="grow" {
  st:=time.Now()
  t:=storagetest.New(os.Args[2]); l:=storagetest.Large{n(3),n(4),n(5),n(6),n(7)}
  g:=t.Grow(l,4); fmt.Println(l.Blobs(),"blobs",g,"garbage",time.Since(st)); return
 }
 o:=gc.Options{DeleteUntagged:true,KeepTrash:24*time.Hour,Uploads:gc.DefaultUploads}
 if os.Args[1]=="dry" {o.DryRun=true}
 if os.Args[1]=="undo" { r,e:=gc.Undo(context.Background(),os.Args[2],o); fmt.Println(r,e); return }
 if os.Args[1]=="hold" { o.Hold=gc.HoldFile(os.Args[2]) }
 if p:=os.Getenv("PROF");p!="" {f,_:=os.Create(p);pprof.StartCPUProfile(f);defer pprof.StopCPUProfile()}
 last:=gc.Phase("");st:=time.Now()
 if os.Getenv("V")!="" {o.Progress=func(p gc.Progress){ if p.Phase!=last {fmt.Println(time.Since(st),p);last=p.Phase}}}
 r,e:=gc.Collect(context.Background(),os.Args[2],o)
 d,_:=json.Marshal(r); fmt.Println(string(d),e)
 var ru syscall.Rusage; syscall.Getrusage(0,&ru); fmt.Println("rss",ru.Maxrss/1024,"MiB user",ru.Utime,"sys",ru.Stime, time.Since(st))
}
