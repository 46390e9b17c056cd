//go:build integration

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// moments are the states of a first start at which it is stopped. Each looks at
// what can be seen from outside.
var moments = []struct {
	name string
	come func(*testing.T, *deployment) bool
}{
	{"it has begun", func(t *testing.T, d *deployment) bool {
		holder, err := os.ReadFile(d.path(".regctl/lock"))
		return err == nil && strings.Contains(string(holder), "regctl up")
	}},
	{"nginx -t runs", func(t *testing.T, d *deployment) bool {
		return tool(t, "docker", "ps", "--all", "--quiet", "--filter", "label=io.regctl.once="+d.project) != ""
	}},
	{"registry is made", func(t *testing.T, d *deployment) bool { return d.containerID(t, "registry") != "" }},
	{"nginx is made", func(t *testing.T, d *deployment) bool { return d.containerID(t, "nginx") != "" }},
	// The engine's proxy listens before the container counts as running.
	{"port is taken", func(_ *testing.T, d *deployment) bool {
		conn, err := net.DialTimeout("tcp", d.address(), time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}},
}

// TestUpInterrupted stops up at several moments, by Ctrl-C and by a kill, and
// runs it again at once.
func TestUpInterrupted(t *testing.T) {
	t.Parallel()
	for _, by := range []struct {
		name   string
		signal syscall.Signal
		status int
	}{
		{"Ctrl-C", syscall.SIGINT, 130},
		{"SIGTERM", syscall.SIGTERM, 130},
		{"kill -9", syscall.SIGKILL, -1},
	} {
		for _, m := range moments {
			if by.signal == syscall.SIGTERM && m.name != "nginx is made" {
				continue // the same as Ctrl-C: once is enough
			}
			t.Run(by.name+", "+m.name, func(t *testing.T) {
				d := initialised(t, options{})
				p := d.start(t, "", "up")
				for !p.ended() && !m.come(t, d) {
					time.Sleep(time.Millisecond)
				}
				p.signal(t, by.signal)
				r := p.wait(t)
				switch {
				case r.status == 0:
					t.Logf("it was done before the signal came")
				case r.status != by.status:
					t.Fatalf("status %d, want %d: %v", r.status, by.status, r)
				case by.status == 130 && r.stderr == "":
					t.Errorf("it says nothing: %v", r)
				}
				again := d.regctl(t, "up")
				if again.status != 0 {
					t.Fatalf("interrupted with: %v\nand then: %v", r, again)
				}
				if got := d.login(t, d.user, d.password); got != http.StatusOK {
					t.Errorf("login: %d", got)
				}
				d.must(t, "diff")
				d.noOneOffs(t)
				if _, err := os.Lstat(d.path(".regctl/stage")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("what was tested is left: %v", err)
				}
				d.untouched(t, func() { d.must(t, "up") })
			})
		}
	}
}

// TestChangeInterrupted stops an up that has something to change on a running
// stack: the next one, at once, finishes it.
func TestChangeInterrupted(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	var before map[string]string
	var composeFile string
	anew := func(service string) bool {
		id := d.containerID(t, service)
		return len(id) != 64 || !strings.HasPrefix(before[service], id[:12])
	}
	grace := 20
	for _, m := range []struct {
		name string
		come func() bool
	}{
		{"files are about to be replaced", func() bool { _, err := os.Lstat(d.path(".regctl/stage")); return err == nil }},
		{"containers are about to be", func() bool { return d.read(t, "docker-compose.yml") != composeFile }},
		{"the registry's is", func() bool { return anew("registry") }},
		{"that of nginx is", func() bool { return anew("nginx") }},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			t.Run(signal.String()+", "+m.name, func(t *testing.T) {
				grace++
				want := fmt.Sprintf("%ds", grace)
				d.setConfig(t, "stop_grace", "", want)
				before, composeFile = d.running(t), d.read(t, "docker-compose.yml")
				p := d.start(t, "", "up")
				for !p.ended() && !m.come() {
					time.Sleep(time.Millisecond)
				}
				p.signal(t, signal)
				r := p.wait(t)
				if again := d.regctl(t, "up"); again.status != 0 {
					t.Fatalf("interrupted with %v\nand then: %v", r, again)
				}
				if got := d.login(t, d.user, d.password); got != http.StatusOK {
					t.Errorf("login: %d", got)
				}
				for _, service := range []string{"registry", "nginx"} {
					got := tool(t, "docker", "inspect", "--format", "{{.Config.StopTimeout}}s", d.containerID(t, service))
					if got != want+"\n" {
						t.Errorf("%s has %s to stop, want %s", service, got, want)
					}
				}
				d.untouched(t, func() { d.must(t, "up") })
			})
		}
	}
}
