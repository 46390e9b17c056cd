package backup

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
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

	"github.com/regctl/regctl/pkg/advice"
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
	if r, err := Prepared(root); r != nil || err != nil {
		t.Errorf("prepared: %v %v", r, err)
	}
}

// A server that nobody hears of, and one that is another's.
func TestStorageThatIsNotThere(t *testing.T) {
	a := served(t, http.NotFoundHandler())
	tls := httptest.NewTLSServer(s3Handler(t))
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
	src := t.TempDir()
	large := largeTree(src)
	s := bucketStore(t, a, Keys{})
	create(t, s, src)
	if failed.Load() < 2 {
		t.Fatalf("%d parts failed", failed.Load())
	}
	f, err := s.Open(t.Context(), s.blobName(large))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatalf("%v %+v", err, v)
	}
}
