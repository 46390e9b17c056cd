package backup

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/minio/minio-go/v7"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// cutting stands before an S3 server and cuts the bodies of its answers off, as a
// connection does that breaks: how says after how many bytes, negative: not at all.
type cutting struct {
	http.Handler
	how func(r *http.Request, length int) int
	// stall leaves the connection open instead.
	stall bool
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	c.Handler.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	cut := -1
	if r.Method == http.MethodGet {
		cut = c.how(r, len(body))
	}
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(rec.Code)
	if cut < 0 {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:cut])
	_ = http.NewResponseController(w).Flush()
	if c.stall {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// once cuts each answer the first time it is asked for, somewhere.
func once(only string) func(*http.Request, int) int {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(r *http.Request, length int) int {
		mu.Lock()
		defer mu.Unlock()
		key := r.URL.String()
		if length == 0 || seen[key] || !strings.Contains(key, only) {
			return -1
		}
		seen[key] = true
		return rand.IntN(length)
	}
}

func served(t *testing.T, h http.Handler) Access {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return Access{AccessKey: "key", SecretKey: "secret", Endpoint: srv.URL, Region: "us-east-1"}
}

// Answers that break off in the middle, once each: nothing is called damaged, and
// all comes back.
func TestAnswersThatBreakOffAreTakenUpAgain(t *testing.T) {
	both, _ := testKeys(t)
	for name, keys := range map[string]Keys{"plain": {}, "encrypted": both} {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			randomTree(src, rand.New(rand.NewPCG(5, 5)))
			cut := &cutting{Handler: s3Handler(t), how: func(*http.Request, int) int { return -1 }}
			s := bucketStore(t, served(t, cut), keys)
			create(t, s, src)
			cut.how = once("")
			if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Read == 0 {
				t.Fatalf("%v %+v", err, v)
			}
			cut.how = once("")
			if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
				t.Fatal(strings.Join(diff, "\n"))
			}
			cut.how = once("")
			if res := create(t, s, src); res.Blobs.New != 0 {
				t.Errorf("copied again: %+v", res)
			}
			cut.how = once("")
			file := filepath.Join(t.TempDir(), "x.tar.zst")
			if _, err := s.Export(t.Context(), snapshots(t, s)[0], file, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// One answer that stops to come, on an open connection.
func TestAnAnswerThatStallsIsTakenUpAgain(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	cut := &cutting{Handler: s3Handler(t), how: func(*http.Request, int) int { return -1 }, stall: true}
	a := served(t, cut)
	a.stall = time.Second
	s := bucketStore(t, a, Keys{})
	create(t, s, src)
	done := atomic.Bool{}
	cut.how = func(r *http.Request, length int) int {
		if strings.Contains(r.URL.Path, "/data/") && done.CompareAndSwap(false, true) {
			return length / 2
		}
		return -1
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || !done.Load() {
		t.Fatalf("%v %+v", err, v)
	}
}

// Answers that always break off at the same place: the storage cannot be reached.
// That is no damage of the backup, and what is there stays there.
func TestStorageThatCannotBeReadIsNotCalledDamaged(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	cut := &cutting{Handler: s3Handler(t), how: func(*http.Request, int) int { return -1 }}
	s := bucketStore(t, served(t, cut), Keys{})
	create(t, s, src)
	snap := snapshots(t, s)[0]
	cut.how = func(r *http.Request, length int) int {
		if strings.Contains(r.URL.Path, "/data/") {
			return 1
		}
		return -1
	}
	// In turn each answer has one byte, and that is progress: a small blob comes all the same.
	if _, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil {
		t.Fatal(err)
	}
	cut.how = func(r *http.Request, length int) int {
		if strings.Contains(r.URL.Path, "/data/") {
			return 0
		}
		return -1
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); !errors.Is(err, ErrUnreachable) || len(v.Problems) > 0 {
		t.Errorf("verify: %v %+v", err, v)
	}
	root := filepath.Join(t.TempDir(), "new")
	if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{Damaged: true}); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrIncomplete) {
		t.Errorf("restore: %v", err)
	}
	if r, err := prepared(root); !errors.Is(err, ErrNotReady) {
		t.Errorf("prepared: %v %v", r, err)
	}
}

// A server that nobody hears of, and one that is another's.
func TestStorageThatIsNotThere(t *testing.T) {
	a := served(t, http.NotFoundHandler())
	tls := httptest.NewUnstartedServer(s3Handler(t))
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	tls.StartTLS()
	t.Cleanup(tls.Close)
	private := Access{AccessKey: "key", SecretKey: "very secret", Endpoint: tls.URL, Region: "us-east-1"}
	target, err := OpenTarget("s3://bucket/x", private, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(t.Context(), target, Keys{})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(advice.Of(err), "backup.ca") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	private.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	src := t.TempDir()
	smallTree(src)
	s := bucketStore(t, private, Keys{})
	create(t, s, src)
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Errorf("with its CA: %v %+v", err, v)
	}
	private.CA = []byte("no certificate")
	if _, err := OpenTarget("s3://bucket/x", private, true); !errors.Is(err, ErrTarget) {
		t.Errorf("a CA that is none: %v", err)
	}
	if target, err = OpenTarget("s3://bucket/x", a, true); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(t.Context(), target, Keys{}); err == nil {
		t.Error("a server that is none of S3 is taken")
	}
}

// Two hosts and a prune on one bucket, whose clock is days behind theirs: ages of
// locks are told by the bucket's clock.
func TestSeveralHostsOnOneBucket(t *testing.T) {
	behind := gofakes3.WithTimeSource(slowClock{})
	a := served(t, s3Handler(t, behind, gofakes3.WithTimeSkewLimit(0)))
	s := bucketStore(t, a, Keys{})
	roots := make([]string, 3)
	errs := make([]error, len(roots))
	var wg sync.WaitGroup
	for i := range roots {
		roots[i] = t.TempDir()
		randomTree(roots[i], rand.New(rand.NewPCG(uint64(i), 8)))
		wg.Go(func() {
			for range 3 {
				clock := func() time.Time { return time.Now().Add(time.Duration(i-1) * 49 * time.Hour) }
				_, err := bucketStore(t, a, Keys{}).Create(context.Background(), roots[i], Options{Now: clock})
				if errs[i] = err; err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	held, shared, err := s.Locked(t.Context(), false, "regctl backup")
	if err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if _, err := bucketStore(t, a, Keys{}).Prune(held, PruneOptions{}); !errors.As(err, &busy) || busy.Holder.Age > lockStale {
		t.Errorf("prune beside a lock of now: %v", err)
	}
	if err := shared.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 9 {
		t.Fatalf("%v %+v", err, v)
	}
}

// slowClock is three days behind.
type slowClock struct{}

func (slowClock) Now() time.Time                  { return time.Now().Add(-72 * time.Hour) }
func (slowClock) Since(t time.Time) time.Duration { return slowClock{}.Now().Sub(t) }

// A large object whose parts meet answers of 500: each part is sent again.
func TestPartsAreSentAgain(t *testing.T) {
	var parts, failed atomic.Int64
	a := s3Server(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !r.URL.Query().Has("partNumber") {
			return false
		}
		if parts.Add(1)%2 == 1 {
			failed.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	a.part = 32 << 10
	src := t.TempDir()
	tree := storagetest.New(src)
	tree.Tag("app", "v1", tree.Image("app", "config", strings.Repeat("0123456789abcdef", 3*int(a.part)/16-5)))
	s := bucketStore(t, a, Keys{})
	create(t, s, src)
	if failed.Load() < 3 {
		t.Fatalf("%d parts failed", failed.Load())
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatalf("%v %+v", err, v)
	}
}

// An upload in parts that was cut off: the next run sends only what is missing, and
// a blob whose bytes are another's by then is sent anew.
func TestAnUploadInPartsIsTakenUpAgain(t *testing.T) {
	const part = 32 << 10
	var mu sync.Mutex
	var sent []string
	fail := ""
	a := s3Server(t, func(w http.ResponseWriter, r *http.Request) bool {
		n := r.URL.Query().Get("partNumber")
		if r.Method != http.MethodPut || n == "" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if n == fail {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusBadRequest) // one that is not tried again: as a kill
			return true
		}
		sent = append(sent, n)
		return false
	})
	a.part = part
	src := t.TempDir()
	tree := storagetest.New(src)
	noise := make([]byte, 5*part-100)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	tree.Tag("app", "v1", tree.Image("app", "config", string(noise)))
	s := bucketStore(t, a, Keys{})
	fail = "4"
	if _, err := s.Create(t.Context(), src, Options{}); err == nil {
		t.Fatal("it did not fail")
	}
	mu.Lock()
	fail, sent = "", nil
	mu.Unlock()
	create(t, s, src)
	if got := strings.Join(sent, " "); got != "4 5" {
		t.Errorf("parts %s were sent, want 4 5", got)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatalf("%v %+v", err, v)
	}

	// Parts of somebody else's bytes under the same name count for nothing.
	noise[0] ^= 1
	d := storage.SHA256.Of(noise)
	b := s.Target.(*bucket)
	core := minio.Core{Client: b.client}
	id, err := core.NewMultipartUpload(t.Context(), b.name, b.prefix+s.blobName(d), minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.PutObjectPart(t.Context(), b.name, b.prefix+s.blobName(d), id, 1, strings.NewReader(strings.Repeat("x", part)), part, minio.PutObjectPartOptions{}); err != nil {
		t.Fatal(err)
	}
	tree.Tag("app", "v2", tree.Image("app", "config", string(noise)))
	create(t, s, src)
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatalf("%v %+v", err, v)
	}

	// A blob that is damaged leaves no upload.
	noise[0] ^= 2
	d = tree.Blob(string(noise))
	tree.LinkLayer("app", d)
	noise[0] ^= 1
	tree.File(storage.BlobPath(d)+"/data", string(noise))
	if res := create(t, s, src); len(res.Problems) != 1 || res.Problems[0].ID != BlobCorrupt {
		t.Errorf("%+v", res.Problems)
	}
	if list, err := core.ListMultipartUploads(t.Context(), b.name, b.prefix, "", "", "", 10); err != nil || len(list.Uploads) > 0 {
		t.Errorf("%v %+v", err, list.Uploads)
	}
}

// Two hosts send the same large blob at once.
func TestTwoHostsSendTheSameLargeBlob(t *testing.T) {
	a := s3Server(t, nil)
	a.part = 16 << 10
	noise := make([]byte, 40*a.part)
	rand.NewChaCha8([32]byte{2}).Read(noise)
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		src := t.TempDir()
		tree := storagetest.New(src)
		tree.Tag("app", "v1", tree.Image("app", "config", string(noise)))
		s := bucketStore(t, a, Keys{})
		wg.Go(func() { _, errs[i] = s.Create(context.Background(), src, Options{}) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if v, err := bucketStore(t, a, Keys{}).Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 3 {
		t.Fatalf("%v %+v", err, v)
	}
}
