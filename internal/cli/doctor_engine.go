package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/accesslog"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/hold"
)

// engine looks through the Docker Engine.
func (v *visit) engine(ctx context.Context) {
	e, err := v.app.Connect(ctx)
	if err != nil {
		v.facts.Engine = &doctor.Engine{Error: engineError(err), Hint: advice.Of(err)}
		v.directoryDisk()
		return
	}
	defer e.Close()
	v.facts.Engine = &doctor.Engine{API: e.Version}
	v.facts.Engine.Version, _ = e.ServerVersion(ctx)
	if v.d == nil {
		v.directoryDisk()
		return
	}
	containers, err := e.Containers(ctx, v.d.cfg.Project)
	if err != nil {
		v.facts.Engine.Error = engineError(err)
		v.directoryDisk()
		return
	}
	if v.d.owns(containers) != nil {
		for _, c := range containers {
			if c.WorkingDir != "" && !sameDir(c.WorkingDir, v.l.Dir) {
				v.facts.Owner = c.WorkingDir
			}
		}
		containers = nil
	}
	v.services(ctx, e, containers)
	v.ports(ctx, e, containers)
	v.oneOffs(ctx, e)
}

// engineError says in words that doctor gave an engine up.
func engineError(err error) string {
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, engine.ErrUnavailable) {
		return fmt.Sprintf("%v: it does not answer within %s", engine.ErrUnavailable, visitTimeout)
	}
	return err.Error()
}

// services looks at each service, its image and its log.
func (v *visit) services(ctx context.Context, e *engine.Client, containers []engine.Container) {
	services := make([]doctor.Service, len(serviceOrder))
	images := make([]doctor.Image, len(serviceOrder))
	logs := make([]doctor.Log, len(serviceOrder))
	var volume *doctor.Disk
	var all sync.WaitGroup
	for i, name := range serviceOrder {
		all.Go(func() {
			var id string
			images[i], id = v.image(ctx, e, name)
			services[i].Name, logs[i].Service = name, name
			c, ok := find(containers, name)
			if !ok {
				return
			}
			services[i].State = c.State
			if full, err := e.Inspect(ctx, c); err == nil {
				c = full
			}
			images[i].Running, images[i].Same = true, c.ImageID == id
			services[i] = doctor.Service{Name: name, State: c.State, Health: c.Health, ExitCode: c.ExitCode, Restarts: c.Restarts, Started: c.Started}
			if !c.Running() || c.Health == "unhealthy" {
				services[i].Said = lastWord(ctx, e, c.ID)
			}
			details, err := e.Details(ctx, c.ID)
			if err == nil {
				services[i].OOM = details.OOMKilled
				logs[i].Driver, logs[i].Bounded, logs[i].Size = details.LogDriver, details.LogBounded, logSize(details.LogPath)
				v.registryConf(name, details.Env)
			}
			if !c.Running() {
				return
			}
			seen := look(ctx, e, c.ID, name)
			images[i].Version = seen.version
			services[i].OOM = services[i].OOM || seen.killed > 0
			if name == compose.ServiceRegistry {
				volume = seen.disk
				v.facts.HoldAge = seen.hold(v.facts.Now)
			}
			if name == compose.ServiceNginx {
				v.seen(ctx, e, c.ID)
			}
		})
	}
	all.Wait()
	v.facts.Services, v.facts.Images, v.facts.Logs = services, images, logs
	if volume == nil {
		path, err := e.VolumePath(ctx, v.d.cfg.Project+"_"+registryVolume)
		if d, ok := statDisk(diskOfImages, path); err == nil && path != "" && ok {
			volume = &d
		}
	}
	if volume != nil {
		v.facts.Disks = append(v.facts.Disks, *volume)
	}
	v.directoryDisk()
}

func (v *visit) directoryDisk() {
	if d, ok := statDisk(diskOfDirectory, v.l.Dir); ok && v.facts.NoConfig == "" {
		v.facts.Disks = append(v.facts.Disks, d)
	}
}

// image looks at the image that a service is to run.
func (v *visit) image(ctx context.Context, e *engine.Client, service string) (doctor.Image, string) {
	i := doctor.Image{Service: service, Ref: v.d.cfg.Registry.Image, Default: config.Default().Registry.Image}
	if service == compose.ServiceNginx {
		i.Ref, i.Default = v.d.cfg.Nginx.Image, config.Default().Nginx.Image
	}
	id, err := e.ImageID(ctx, i.Ref)
	i.Here = id != "" || err != nil // not known is not missing
	return i, id
}

// registryConf reads the registry's configuration, as its container has it.
func (v *visit) registryConf(service string, env []string) {
	if service != compose.ServiceRegistry {
		return
	}
	if text, err := os.ReadFile(v.l.Path(compose.RegistryConf)); err == nil {
		v.facts.Storage = doctor.ReadRegistry(string(text), env)
	}
}

func logSize(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0 // the engine's own directory, or on another machine
	}
	return fi.Size()
}

// lookScript asks a container for the version of its program, what the kernel
// killed in it and, where the images are, for room and hold.
const lookScript = `echo "version $($1 2>&1 | head -n 1)"
grep -hs '^oom_kill ' /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control | head -n 1
cd /var/lib/registry 2>/dev/null || exit 0
stat -f -c 'disk %a %b %S %d %c' . 2>/dev/null
[ -e ` + hold.Path + ` ] && stat -c 'hold %Y' ` + hold.Path + ` 2>/dev/null
exit 0`

// look is what a container said.
type looked struct {
	version string
	killed  int
	disk    *doctor.Disk
	held    int64 // Unix time, 0: no hold
}

func look(ctx context.Context, e *engine.Client, id, service string) looked {
	program := "registry --version"
	if service == compose.ServiceNginx {
		program = "nginx -v"
	}
	var l looked
	_, out, err := e.Exec(ctx, id, "sh", "-c", lookScript, "sh", program)
	if err != nil {
		return l
	}
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "version":
			l.version = doctor.Version(rest)
		case "oom_kill":
			l.killed, _ = strconv.Atoi(rest)
		case "hold":
			l.held, _ = strconv.ParseInt(rest, 10, 64)
		case "disk":
			var free, total, block, inodesFree, inodes int64
			if n, _ := fmt.Sscan(rest, &free, &total, &block, &inodesFree, &inodes); n == 5 {
				l.disk = &doctor.Disk{What: diskOfImages, Path: storageDir, Free: free * block, Total: total * block, Inodes: inodes, InodesFree: inodesFree}
			}
		}
	}
	return l
}

func (l looked) hold(now time.Time) *time.Duration {
	if l.held == 0 {
		return nil
	}
	age := now.Sub(time.Unix(l.held, 0))
	return &age
}

// ports looks who has the ports that are to be published.
func (v *visit) ports(ctx context.Context, e *engine.Client, containers []engine.Container) {
	s := &start{app: v.app, d: v.d, engine: e, containers: containers}
	for _, p := range []struct {
		number int
		key    string
	}{{v.d.cfg.HTTPSPort, "https_port"}, {v.d.cfg.HTTPPort, "http_port"}} {
		if p.number == 0 {
			continue
		}
		found := doctor.Port{Number: p.number, Key: p.key, Ours: s.publishes(p.number)}
		if !found.Ours {
			l, err := net.Listen("tcp", net.JoinHostPort(v.d.cfg.Bind, strconv.Itoa(p.number)))
			if err == nil {
				l.Close()
			}
			if found.Taken = errors.Is(err, syscall.EADDRINUSE); found.Taken {
				found.By = s.listener(ctx, p.number)
			}
		}
		v.facts.Ports = append(v.facts.Ports, found)
	}
}

// beingMade is older than a container can be of a run that began while doctor
// looked.
const beingMade = visitTimeout + 2*time.Second

// oneOffs looks for containers of runs that are over, and what drills have left.
func (v *visit) oneOffs(ctx context.Context, e *engine.Client) {
	v.drillLeft(ctx, e)
	found, err := e.OneOffs(ctx, v.d.cfg.Project)
	if err != nil {
		return
	}
	for _, c := range found {
		age := time.Since(c.Made)
		// Who changes something holds the lock, which may have been looked at before.
		if c.Reads && age > engine.AbandonedReads || !c.Reads && age > beingMade {
			v.facts.Containers = append(v.facts.Containers, doctor.Leftover{Name: c.Name, Age: age})
		}
	}
}

func (v *visit) drillLeft(ctx context.Context, e *engine.Client) {
	left, err := e.DrillLeft(ctx, v.d.cfg.Project)
	if err != nil || len(left) == 0 || holder(v.l.Path(drillLock)) != nil {
		return
	}
	for _, x := range left {
		v.facts.DrillLeft = append(v.facts.DrillLeft, doctor.Leftover{Name: x.Name, Age: time.Since(x.Made)})
	}
}

// seen looks when each user was last in the access log.
func (v *visit) seen(ctx context.Context, e *engine.Client, id string) {
	bounded, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	w := &seenUsers{now: v.facts.Now, last: map[string]time.Time{}}
	err := e.Logs(bounded, id, time.Time{}, &accesslog.Reader{Each: w.read})
	if err == nil && !w.first.IsZero() {
		v.lastSeen, v.logSince = w.last, w.first
	}
}

// seenUsers reads an access log for its users. A log that is young says nothing,
// and is not read on.
type seenUsers struct {
	now, first time.Time
	last       map[string]time.Time
}

var errYoungLog = errors.New("the log is young")

// oldEnough is how far back a log has to reach to be worth reading.
const oldEnough = 30 * 24 * time.Hour

func (w *seenUsers) read(l accesslog.Line, _ []byte) error {
	if w.first.IsZero() {
		if w.first = l.Time; w.now.Sub(w.first) < oldEnough {
			return errYoungLog
		}
	}
	if l.User != "" {
		w.last[l.User] = l.Time
	}
	return nil
}
