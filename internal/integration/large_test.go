//go:build integration

package integration

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	largeSize = 300 << 20
	// nginxMost is what one process of Nginx may hold. Its buffers are far below,
	// whatever the size of a layer.
	nginxMost = 64 << 20
	// spoolMost is what may lie in Nginx's temporary directories. A whole layer
	// would not fit, but the first 64 MB of it would.
	spoolMost = 1 << 20
)

// TestLargeLayer pushes and pulls a layer of 300 MB. Nginx passes it on as it
// comes: it neither holds it in memory nor writes it down.
func TestLargeLayer(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			watch := d.watchNginx(t)
			layer := newLargeLayer(largeSize)
			img, err := mutate.AppendLayers(empty.Image, layer)
			if err != nil {
				t.Fatal(err)
			}
			ref := d.ref(t, "large/app:1")
			began := time.Now()
			if err := remote.Write(ref, img, d.remote(t)...); err != nil {
				t.Fatal(err)
			}
			push := time.Since(began)
			began = time.Now()
			pullLarge(t, d, layer)
			pull := time.Since(began)
			memory, spooled := watch()
			t.Logf("push %v, pull %v, nginx at most %d MiB, %d KiB in its temporary directories",
				push.Round(time.Millisecond), pull.Round(time.Millisecond), memory>>20, spooled>>10)
			if memory == 0 || memory > nginxMost {
				t.Errorf("a process of Nginx held %d MiB, want 1 to %d", memory>>20, nginxMost>>20)
			}
			if spooled > spoolMost {
				t.Errorf("Nginx wrote %d KiB to its temporary directories, want at most %d", spooled>>10, spoolMost>>10)
			}
		})
	}
}

// pullLarge reads the layer with a pause near the beginning: a client slower
// than the registry is what makes a proxy write an answer to its disk.
func pullLarge(t *testing.T, d *deployment, layer *largeLayer) {
	t.Helper()
	resp, err := d.client(t).Do(d.request(t, http.MethodGet, "/v2/large/app/blobs/"+layer.digest.String(), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != layer.size {
		t.Fatalf("GET: %s, %d bytes, want %d", resp.Status, resp.ContentLength, layer.size)
	}
	h := sha256.New()
	if _, err := io.CopyN(h, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the pause itself, no waiting for anything
	n, err := io.Copy(h, resp.Body)
	if err != nil || n+1<<20 != layer.size {
		t.Fatalf("read %d of %d bytes: %v", n+1<<20, layer.size, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != layer.digest.Hex {
		t.Errorf("pulled sha256:%s, pushed %s", got, layer.digest)
	}
	ranged := d.request(t, http.MethodGet, "/v2/large/app/blobs/"+layer.digest.String(), nil)
	ranged.Header.Set("Range", "bytes=314572790-")
	got := d.do(t, d.client(t), ranged)
	if want := fmt.Sprintf("bytes 314572790-%d/%d", layer.size-1, layer.size); got.StatusCode != http.StatusPartialContent ||
		len(got.body) != 10 || got.Header.Get("Content-Range") != want {
		t.Errorf("the last ten bytes: %s, %d bytes, range %q, want %q", got.Status, len(got.body), got.Header.Get("Content-Range"), want)
	}
}

// watchNginx samples Nginx's temporary directories until the function it returns
// is called, which gives the most bytes that one process held in memory since
// it began and the most that lay in those directories.
func (d *deployment) watchNginx(t *testing.T) func() (memory, spooled int64) {
	t.Helper()
	pids := strings.Fields(tool(t, "docker", "top", d.containerID(t, "nginx"), "-o", "pid"))[1:]
	dirs := []string{"/var/cache/nginx", "/tmp", "/run"}
	used := func() (sum int64) {
		for _, dir := range dirs {
			var fs syscall.Statfs_t
			// Files that were unlinked and are still open count here too.
			if err := syscall.Statfs("/proc/"+pids[0]+"/root"+dir, &fs); err != nil {
				return -1
			}
			sum += int64(fs.Blocks-fs.Bfree) * fs.Bsize
		}
		return sum
	}
	if used() < 0 {
		t.Fatalf("the file systems of nginx cannot be looked at through /proc/%s", pids[0])
	}
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		var top int64
		for {
			select {
			case <-stop:
				most <- top
				return
			case <-time.After(5 * time.Millisecond):
				top = max(top, used())
			}
		}
	}()
	return func() (memory, spooled int64) {
		for _, pid := range pids {
			memory = max(memory, peakMemory(t, pid))
		}
		close(stop)
		return memory, <-most
	}
}

// peakMemory is the most that a process ever had resident, in bytes
// (proc_pid_status(5), VmHWM).
func peakMemory(t *testing.T, pid string) int64 {
	t.Helper()
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %s tells no peak of memory", pid)
	return 0
}

// largeLayer is a layer of random bytes that are made as they are read, the
// same ones each time.
type largeLayer struct {
	size   int64
	digest v1.Hash
}

func newLargeLayer(size int64) *largeLayer {
	l := &largeLayer{size: size}
	h := sha256.New()
	r, _ := l.Compressed()
	io.Copy(h, r) // neither can fail
	l.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
	return l
}

func (l *largeLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(rand.NewChaCha8([32]byte{}), l.size)), nil
}
func (l *largeLayer) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }
func (l *largeLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *largeLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *largeLayer) Size() (int64, error)                 { return l.size, nil }
func (l *largeLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
