//go:build integration

package integration

import (
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCrash has a service that does not come up: up shows what it said, long
// before its time is up.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, service, definition string
		says                      []string
	}{
		{"registry, bad configuration", "registry", `entrypoint: ["registry", "serve", "/no/such/file.yml"]`,
			[]string{"registry keeps ending", "registry: ", "its last lines:", "/no/such/file.yml: no such file"}},
		{"registry, no such program", "registry", `entrypoint: ["/no/such/program"]`,
			[]string{"docker compose up", "/no/such/program", "registry: created, exit status 127"}},
		{"nginx, bad configuration", "nginx", `entrypoint: ["nginx", "-e", "/dev/stderr", "-c", "/no/such/file.conf", "-g", "daemon off;"]`,
			[]string{"nginx keeps ending", "nginx: ", "its last lines:", "/no/such/file.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := initialised(t, options{})
			d.write(t, "docker-compose.override.yml", "services:\n  "+c.service+":\n    "+c.definition+"\n")
			r := d.regctl(t, "up")
			r.want(t, 1, append(c.says, "hint: regctl logs")...)
			t.Logf("seen after %v", r.took)
			if r.took > time.Minute { // the time-out is two, and the machine may be busy
				t.Errorf("it took %s to see that", r.took)
			}
			if err := syscall.Unlink(d.path("docker-compose.override.yml")); err != nil {
				t.Fatal(err)
			}
			d.must(t, "up")
		})
	}
	t.Run("answers too late", func(t *testing.T) {
		d := initialised(t, options{})
		d.write(t, "docker-compose.override.yml", "services:\n  registry:\n    entrypoint: [\"sleep\", \"600\"]\n    stop_grace_period: 1s\n")
		d.regctl(t, "up", "--timeout", "3s").want(t, 1, "the registry does not answer at "+d.url(""), "after 3s", "the registry behind Nginx does not answer",
			"registry: running; its last lines:", "nginx: running; its last lines:")
	})
}

// TestOldCrashes: a service that crashed some time ago and has run since then is
// well, although Docker goes on counting its restarts.
func TestOldCrashes(t *testing.T) {
	t.Parallel()
	needRoot(t)
	d := stack(t, options{})
	for n := range 3 {
		d.signalMain(t, "registry", syscall.SIGKILL)
		eventually(t, 20*time.Second, "Docker restarts the registry", func() bool {
			c := d.container(t, "registry")
			return c.RestartCount > n && c.State.Status == "running"
		})
	}
	eventually(t, 30*time.Second, "the registry has run for more than ten seconds", func() bool {
		started, err := time.Parse(time.RFC3339Nano, d.container(t, "registry").State.StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(started) > 11*time.Second
	})
	// Now it is slow to answer.
	d.signalMain(t, "registry", syscall.SIGSTOP)
	t.Cleanup(func() { d.signalMain(t, "registry", syscall.SIGCONT) })
	up := d.start(t, "", "up")
	select {
	case <-up.done:
		t.Fatalf("up did not wait: %v", up.wait(t))
	case <-time.After(8 * time.Second): // more than one knock takes
	}
	d.signalMain(t, "registry", syscall.SIGCONT)
	up.wait(t).want(t, 0)
	if got := d.login(t, d.user, d.password); got != http.StatusOK {
		t.Errorf("login: %d", got)
	}
}

// signalMain signals the main process of a service behind the engine's back: to
// the engine it looks like a crash.
func (d *deployment) signalMain(t *testing.T, service string, s syscall.Signal) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(tool(t, "docker", "inspect", "--format", "{{.State.Pid}}", d.containerID(t, service))))
	if err != nil || pid == 0 {
		t.Fatalf("%s has no process: %v", service, err)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
