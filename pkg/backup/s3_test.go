package backup

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// s3Server is an S3 server on loopback, and what stands before it.
func s3Server(t *testing.T, before func(w http.ResponseWriter, r *http.Request) (done bool)) Access {
	t.Helper()
	handler := s3Handler(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return Access{AccessKey: "key", SecretKey: "secret", Endpoint: srv.URL, Region: "us-east-1"}
}

func s3Handler(t *testing.T, options ...gofakes3.Option) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	return gofakes3.New(backend, append(options, gofakes3.WithLogger(gofakes3.DiscardLog()))...).Server()
}

func bucketStore(t *testing.T, a Access, keys Keys) *Store {
	t.Helper()
	target, err := OpenTarget("s3://bucket/some/prefix", a, true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Create(t.Context(), target, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestObjectStorage(t *testing.T) {
	both, _ := testKeys(t)
	for seed := range uint64(6) {
		keys := Keys{}
		if seed%2 == 1 {
			keys = both
		}
		src := t.TempDir()
		randomTree(src, rand.New(rand.NewPCG(seed, 3)))
		s := bucketStore(t, s3Server(t, nil), keys)
		create(t, s, src)
		if res := create(t, s, src); res.Blobs.New != 0 {
			t.Errorf("again: %+v", res)
		}
		if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 2 {
			t.Fatal(err, v)
		}
		if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(diff, "\n"))
		}
		if err := s.Forget(t.Context(), []string{snapshots(t, s)[0].ID}, "test"); err != nil {
			t.Fatal(err)
		}
		if out, err := s.Prune(t.Context(), PruneOptions{}); err != nil || out.Removed != 0 || len(snapshots(t, s)) != 1 {
			t.Fatal(err, out)
		}
	}
}

// Larger than a part: sent in several, and a corrupt one leaves nothing.
func TestALargeBlobInObjectStorage(t *testing.T) {
	src := t.TempDir()
	tree := storagetest.New(src)
	large := strings.Repeat("0123456789abcdef", (partSize+partSize/2)/16)
	tree.Tag("app", "v1", tree.Image("app", "config", large))
	s := bucketStore(t, s3Server(t, nil), Keys{})
	create(t, s, src)
	if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
		t.Fatal("it comes back different")
	}
	bad := strings.Repeat("another content!", (partSize+partSize/2)/16)
	d := tree.Blob(bad)
	tree.LinkLayer("app", d)
	tree.File(storage.BlobPath(d)+"/data", "x"+bad[1:])
	res := create(t, s, src)
	if len(res.Problems) != 1 || res.Problems[0].ID != BlobCorrupt {
		t.Fatalf("%+v", res.Problems)
	}
	if f, err := s.Open(t.Context(), s.blobName(d)); !errors.Is(err, fs.ErrNotExist) {
		f.Close()
		t.Errorf("the corrupt blob is there: %v", err)
	}
}

// Answers of 500, cut connections and slow ones: tried again, or an error and no
// snapshot; the next run goes on.
func TestObjectStorageThatFails(t *testing.T) {
	var n atomic.Int64
	var every atomic.Int64
	a := s3Server(t, func(w http.ResponseWriter, r *http.Request) bool {
		k := every.Load()
		if k == 0 || n.Add(1)%k != 0 {
			return false
		}
		switch n.Load() / k % 3 {
		case 0:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			panic(http.ErrAbortHandler)
		default:
			time.Sleep(50 * time.Millisecond)
			return false
		}
		return true
	})
	src := t.TempDir()
	smallTree(src)
	s := bucketStore(t, a, Keys{})
	every.Store(5)
	var err error
	for range 20 {
		if _, err = s.Create(t.Context(), src, Options{}); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	every.Store(0)
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 1 {
		t.Fatal(err, v)
	}
	if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
		t.Fatal(strings.Join(diff, "\n"))
	}
}

func TestObjectStorageNames(t *testing.T) {
	good := Access{AccessKey: "key", SecretKey: "very secret"}
	for name, want := range map[string]error{"s3://": ErrTarget, "s3://bucket/../x": ErrTarget, "s3://bucket/a//b": ErrTarget, "http://x": ErrTarget} {
		if _, err := OpenTarget(name, good, true); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenTarget("s3://bucket", Access{}, true); !errors.Is(err, ErrAccess) {
		t.Error(err)
	}
	a := s3Server(t, nil)
	target, err := OpenTarget("s3://nosuchbucket/x", a, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(t.Context(), target, Keys{})
	if !errors.Is(err, ErrAccess) || strings.Contains(err.Error(), "secret") {
		t.Errorf("no bucket: %v", err)
	}
}
