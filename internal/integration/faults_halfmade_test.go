//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotConnected has a container that lacks a network, as Compose leaves it
// when it is stopped between making and connecting it. Compose itself takes it
// for whole.
func TestNotConnected(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{})
	// A second network, which older engines connect afterwards.
	d.write(t, "docker-compose.override.yml", "services:\n  nginx:\n    networks: [edge, second]\nnetworks:\n  second: {}\n")
	tool(t, d.composeCommand("create")...)
	for _, network := range []string{"second", "edge"} {
		t.Run(network, func(t *testing.T) {
			tool(t, "docker", "network", "disconnect", d.project+"_"+network, d.containerID(t, "nginx"))
			r := d.must(t, "up", "--json")
			if !strings.Contains(r.stdout, "it is not connected to "+d.project+"_"+network) {
				t.Errorf("the plan does not tell: %v", r)
			}
			if got := len(d.container(t, "nginx").NetworkSettings.Networks); got != 2 {
				t.Errorf("nginx is connected to %d networks", got)
			}
			if got := d.login(t, d.user, d.password); got != http.StatusOK {
				t.Errorf("login: %d", got)
			}
			d.untouched(t, func() { d.must(t, "up") })
		})
	}
}

// TestReplacementLeft has a container that was to take the place of another, as
// Compose leaves it when it is stopped on the way. Its name is what the next
// Compose wants to use.
func TestReplacementLeft(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	for _, service := range []string{"registry", "nginx"} {
		t.Run(service, func(t *testing.T) {
			old := d.container(t, service)
			args := []string{"docker", "create", "--name", old.ID[:12] + "_" + strings.TrimPrefix(old.Name, "/")}
			for label, value := range old.Config.Labels {
				if strings.HasPrefix(label, "com.docker.compose.") {
					args = append(args, "--label", label+"="+value)
				}
			}
			left := strings.TrimSpace(tool(t, append(args, "--label", "com.docker.compose.replace="+old.ID, imageNginx)...))
			d.setConfig(t, "stop_grace", "", fmt.Sprintf("%ds", 20+len(service)))
			// Whose port that is, is no question.
			d.must(t, "up")
			if got := tool(t, "docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "id="+left); got != "" {
				t.Errorf("the left-over is still there")
			}
			if got := d.container(t, service); got.Name != old.Name {
				t.Errorf("the container is called %s, want %s", got.Name, old.Name)
			}
			if got := d.login(t, d.user, d.password); got != http.StatusOK {
				t.Errorf("login: %d", got)
			}
			d.untouched(t, func() { d.must(t, "up") })
		})
	}
}

// TestComposeOutlivesRegctl has a Docker Compose still at work whose regctl was
// killed: the next regctl waits for it.
func TestComposeOutlivesRegctl(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	f, err := os.OpenFile(d.path(".regctl/compose.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// What the Compose that was left behind holds.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	d.untouched(t, func() {
		for _, command := range []string{"up", "down", "restart"} {
			p := d.start(t, "", command)
			eventually(t, 10*time.Second, command+" says that it waits", func() bool {
				return strings.Contains(p.stderr.String(), "waiting for the Docker Compose of a regctl that was killed")
			})
			p.signal(t, syscall.SIGINT)
			p.wait(t).want(t, 130)
		}
	})
	p := d.start(t, "", "up")
	eventually(t, 10*time.Second, "up waits", func() bool { return strings.Contains(p.stderr.String(), "waiting for") })
	// What only looks does not wait.
	d.status(t, 0)
	d.must(t, "up", "--dry-run")
	d.must(t, "logs")
	if p.ended() {
		t.Fatalf("up did not wait: %v", p.wait(t))
	}
	f.Close()
	p.wait(t).want(t, 0)
}

// TestComposeHoldsTheLock kills a regctl while its Compose works: the lock of the
// test above is then Compose's, until it ends.
func TestComposeHoldsTheLock(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{})
	// A Compose that takes its time, and notes when it begins and ends.
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "docker"), `#!/bin/sh
case "$*" in
*version*) echo 2.26.1 ;;
*) : >"${0%/*}/begun"; sleep 3; : >"${0%/*}/ended" ;;
esac
`, 0o755)
	note := func(name string) bool { _, err := os.Lstat(filepath.Join(dir, name)); return err == nil }
	d.env = []string{pathWith(dir)}
	p := d.start(t, "", "up")
	eventually(t, 20*time.Second, "Compose is called", func() bool { return note("begun") })
	p.signal(t, syscall.SIGKILL)
	p.wait(t) // the kernel drops its lock when it has ended, not when it was told to

	d.env = nil
	again := d.regctl(t, "up")
	again.want(t, 0, "waiting for the Docker Compose of a regctl that was killed")
	if !note("ended") {
		t.Errorf("up did not wait until it had ended")
	}
	if got := d.login(t, d.user, d.password); got != http.StatusOK {
		t.Errorf("login: %d", got)
	}
}
