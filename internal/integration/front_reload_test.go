//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// load is clients at work: some that keep their connections, some that open one
// for each request, and both sorts pull and push. None of them tries anything
// twice, other than net/http itself, which sends a GET again where the server
// closed a kept connection at that very moment. It does not do so with a POST or
// PUT: what is lost then is a push that fails.
type load struct {
	stop     chan struct{}
	wg       sync.WaitGroup
	requests atomic.Int64
	pushes   atomic.Int64
	failed   atomic.Int64
	mu       sync.Mutex
	first    error
}

func (l *load) fail(err error) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = err
	}
}

// loop runs one until the load ends.
func (l *load) loop(one func() error, done *atomic.Int64) {
	l.wg.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			default:
			}
			if err := one(); err != nil {
				l.fail(fmt.Errorf("at %s: %w", time.Now().Format("15:04:05.000"), err))
			}
			done.Add(1)
		}
	})
}

// underLoad starts it. Each client waits a little between its requests.
func (f *front) underLoad(t *testing.T, s seed, who person) *load {
	l := &load{stop: make(chan struct{})}
	get := func(c *http.Client, path string) func() error {
		return func() error {
			time.Sleep(3 * time.Millisecond)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url(path), nil)
			if err != nil {
				return err
			}
			req.SetBasicAuth(who.name, who.password)
			req.Header.Set("Accept", ociManifest)
			a, err := send(c, req)
			if err == nil && a.StatusCode != http.StatusOK {
				err = fmt.Errorf("GET %s: %s %.200s", path, a.Status, a.body)
			}
			return err
		}
	}
	manifest, blob := "/v2/"+s.repo+"/manifests/v1", "/v2/"+s.repo+"/blobs/"+s.layer
	fresh := f.client(t)
	fresh.Transport.(*http.Transport).DisableKeepAlives = true
	for _, path := range []string{manifest, blob} {
		l.loop(get(f.client(t), path), &l.requests)
		l.loop(get(fresh, path), &l.requests)
	}
	for i, c := range []*http.Client{fresh, f.client(t), f.client(t)} {
		c.Transport.(*http.Transport).MaxIdleConnsPerHost = 16
		options := append(f.as(t, who), remote.WithTransport(c.Transport), remote.WithJobs(4))
		l.loop(func() error {
			img, err := random.Image(16<<10, 2)
			if err != nil {
				return err
			}
			return remote.Write(f.ref(t, fmt.Sprint(s.repo, "-pushed-", i, ":", l.pushes.Load())), img, options...)
		}, &l.pushes)
	}
	return l
}

// end stops the load and tells what failed.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	t.Logf("%d requests, %d pushes, %d failed", l.requests.Load(), l.pushes.Load(), l.failed.Load())
	if l.requests.Load() < 200 || l.pushes.Load() < 10 {
		t.Errorf("%d requests and %d pushes are no load", l.requests.Load(), l.pushes.Load())
	}
	if l.failed.Load() > 0 {
		t.Errorf("%d failed, the first one %v", l.failed.Load(), l.first)
	}
}

// TestFrontReload changes the configuration ten times under load.
func TestFrontReload(t *testing.T) {
	f := newFront(t, options{}, "immutable: []")
	s := f.seedRepository(t, "load/app")
	p := f.addUser(t, "load", "--pull", "load/**", "--push", "load/**")
	t.Run("reload", func(t *testing.T) {
		l := f.underLoad(t, s, p)
		before, rule := f.running(t), "immutable: []"
		for i := range 10 {
			next := fmt.Sprintf("immutable: [%q]", fmt.Sprintf("kept/**:v%d", i))
			f.replace(t, "regctl.yaml", rule, next)
			rule = next
			var out upOutput
			f.must(t, "up", "--json").json(t, &out)
			if !out.Changed {
				t.Errorf("change %d: %+v", i, out)
			}
		}
		l.end(t)
		sameMap(t, "containers", before, f.running(t))
	})
	t.Run("what is remembered outlives a reload", func(t *testing.T) {
		f.expect(t, http.StatusOK, p, http.MethodGet, "/v2/", "")
		tool(t, f.composeCommand("stop", "auth")...)
		f.replace(t, "regctl.yaml", "kept/**:v9", "kept/**:v10")
		f.regctl(t, "render").want(t, 0)
		tool(t, "docker", "kill", "--signal", "HUP", f.containerID(t, "nginx"))
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			f.expect(t, http.StatusOK, p, http.MethodGet, "/v2/", "")
		}
		tool(t, f.composeCommand("start", "auth")...)
	})
	t.Run("registry alone", func(t *testing.T) { testRegistryAlone(t, f, s, p) })
}

// testRegistryAlone restarts the registry's container, and makes it anew: once
// it answers there is no failure, since it has a socket rather than an address.
func testRegistryAlone(t *testing.T, f *front, s seed, p person) {
	path := "/v2/" + s.repo + "/blobs/" + s.layer
	for _, commands := range [][][]string{
		{{"restart", "registry"}},
		{{"rm", "--stop", "--force", "registry"}, {"up", "--detach", "--no-deps", "registry"}},
		{{"kill", "registry"}, {"start", "registry"}},
		{{"restart", "auth"}},
	} {
		for _, command := range commands {
			tool(t, f.composeCommand(command...)...)
		}
		began := time.Now()
		eventually(t, 10*time.Second, "the registry answers", func() bool {
			return f.ask(t, p, http.MethodGet, path, "").StatusCode == http.StatusOK
		})
		t.Logf("%v: answers after %v", commands, time.Since(began).Round(time.Millisecond))
		failed := 0
		for range 150 {
			if f.ask(t, p, http.MethodGet, path, "").StatusCode != http.StatusOK {
				failed++
			}
		}
		if failed > 0 {
			t.Errorf("%v: %d of 150 requests failed once it had answered", commands, failed)
		}
		f.pushRandom(t, "load/after:1", 1)
	}
}

// TestFrontClosing looks at what a reload puts before its signal: while its file
// is there, answers of every kind end their connections.
func TestFrontClosing(t *testing.T) {
	t.Parallel()
	f := newFront(t, options{})
	s := f.seedRepository(t, "closing/app")
	nginx := f.containerID(t, "nginx")
	ends := func(want bool) {
		t.Helper()
		for _, path := range []string{"/v2/", "/v2/" + s.repo + "/blobs/" + s.layer, "/v2/" + s.repo + "/manifests/v1", "/v2/" + s.repo + "/manifests/none", "/"} {
			for _, who := range []person{f.boss(), {}} {
				a := f.ask(t, who, http.MethodGet, path, "")
				// net/http tells by Close what it made of the headers.
				if a.Close != want {
					t.Errorf("GET %s as %s: %s ends its connection: %v, want %v", path, who, a.Status, a.Close, want)
				}
			}
		}
	}
	ends(false)
	tool(t, "docker", "exec", nginx, "touch", "/run/closing")
	ends(true)
	// Left behind by a reload that was cut off.
	tool(t, "docker", "exec", nginx, "touch", "-d", "@1000000000", "/run/closing")
	ends(false)
	f.replace(t, "regctl.yaml", "https_port:", "immutable: [\"kept/**:v*\"]\nhttps_port:")
	f.must(t, "up")
	ends(false)
	if out := tool(t, "docker", "exec", nginx, "ls", "/run"); strings.Contains(out, "closing") {
		t.Errorf("a reload left its file behind: %s", out)
	}
}
