//go:build integration

package integration

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoEngine runs the commands that need an engine where there is none that
// can be used.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{})
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	cases := []struct {
		name, socket string
		says         []string
		within       time.Duration
	}{
		{"no socket", filepath.Join(t.TempDir(), "none.sock"), []string{"there is no socket at", "hint: install Docker Engine or start it"}, 10 * time.Second},
		{"nobody listens", dead, []string{"nothing listens on " + dead, "hint: start it"}, 10 * time.Second},
		{"it hangs", hangingEngine(t, false), []string{"does not answer within 10s", "hint: "}, 20 * time.Second},
		{"it hangs after the first words", hangingEngine(t, true), []string{"does not answer within 30s", "hint: "}, 45 * time.Second},
	}
	commands := [][]string{{"up"}, {"up", "--dry-run"}, {"down"}, {"restart"}, {"logs"}, {"status"}}
	before := d.tree(t)
	// All at once, since some wait; each in a directory of its own, for the lock.
	processes := map[string][]*process{}
	start := func(socket string, args ...string) *process {
		return startProcess(t, []string{"REGCTL_DIR=" + d.copy(t), "DOCKER_HOST=unix://" + socket}, "", append([]string{regctlBin}, args...)...)
	}
	for _, c := range cases {
		for _, args := range commands {
			processes[c.name] = append(processes[c.name], start(c.socket, args...))
		}
	}
	t.Run("interrupted while it hangs", func(t *testing.T) {
		p := start(hangingEngine(t, false), "up")
		time.Sleep(500 * time.Millisecond) // of the ten seconds that it waits
		p.signal(t, syscall.SIGINT)
		if r := p.wait(t); r.status != 130 || r.took > 5*time.Second {
			t.Errorf("%v", r)
		}
	})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range processes[c.name] {
				r := p.wait(t)
				r.want(t, 5, append(c.says, "docker engine not available")...)
				if r.took > c.within {
					t.Errorf("it took %s: %v", r.took, r)
				}
			}
			sameMap(t, "files", before, d.tree(t))
		})
	}
}

// copy copies the deployment, to be used by one command.
func (d *deployment) copy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	tool(t, "cp", "--archive", d.dir, dir)
	return dir
}

// hangingEngine listens on a socket and never answers; with pings, it answers
// those, as an engine does whose containers are stuck.
func hangingEngine(t *testing.T, pings bool) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "e.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if pings && strings.HasSuffix(req.URL.Path, "/_ping") {
						io.WriteString(conn, "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n")
					}
				}
			}()
		}
	}()
	return socket
}

// TestNoPermission runs regctl as a user who may not use the engine.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	needRoot(t)
	d := initialised(t, options{})
	d.giveTo(t, 65534)
	for _, command := range []string{"up", "status"} {
		r := d.as(t, 65534, 65534, nil, command)
		r.want(t, 5, "docker engine not available: no permission to use ", "hint: run regctl with sudo, or add yourself to the group")
	}
	d.noContainers(t)
	// What needs no engine works.
	if users := userNames(t, d.as(t, 65534, 65534, nil, "user", "ls", "--json")); len(users) != 1 {
		t.Errorf("users: %v", users)
	}
}

// TestNoCompose runs regctl where Docker Compose is missing, or too old.
func TestNoCompose(t *testing.T) {
	t.Parallel()
	const noPlugin = "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n"
	for _, c := range []struct {
		name     string
		programs map[string]string
		says     string
	}{
		{"no docker at all", nil, "docker compose (version 2 or later) is missing"},
		{"docker without the plugin", map[string]string{"docker": noPlugin}, "docker compose (version 2 or later) is missing"},
		{"version 1 only", map[string]string{"docker": noPlugin, "docker-compose": "#!/bin/sh\necho 1.29.2\n"}, "docker-compose is version 1.29.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			for name, text := range c.programs {
				writeFile(t, filepath.Join(bin, name), text, 0o755)
			}
			d := initialised(t, options{env: []string{"PATH=" + bin}})
			before := d.tree(t)
			d.regctl(t, "up").want(t, 5, c.says, "hint: install it: apt-get install docker-compose-plugin")
			sameMap(t, "files", before, d.tree(t))
			d.noContainers(t)
			d.env = []string{"PATH=" + os.Getenv("PATH")}
			d.must(t, "up", "--dry-run")
		})
	}
}
