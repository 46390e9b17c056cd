//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// doctored is what `regctl doctor --json` prints, as far as these tests ask.
type doctored struct {
	Findings []struct{ ID, Severity, Seen, Mend string }
	Fixes    []struct{ What, Error string }
}

func (r doctored) ids() string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.ID)
	}
	return strings.Join(out, " ")
}

// doctor runs regctl doctor; its status has to be that of its findings.
func (d *deployment) doctor(t *testing.T, args ...string) doctored {
	t.Helper()
	r := d.regctl(t, append([]string{"doctor", "--json"}, args...)...)
	var out doctored
	r.json(t, &out)
	want := 0
	for _, f := range out.Findings {
		if f.Severity != "note" {
			want = 3
		}
	}
	if r.status != want {
		t.Fatalf("status %d, want %d\n%v", r.status, want, r)
	}
	return out
}

// sees fails the test unless doctor finds exactly these, with seen in what the
// first of them saw.
func (d *deployment) sees(t *testing.T, ids, seen string, args ...string) doctored {
	t.Helper()
	r := d.doctor(t, args...)
	if r.ids() != ids || ids != "" && !strings.Contains(r.Findings[0].Seen, seen) {
		t.Fatalf("doctor found %+v, want %s with %q", r.Findings, ids, seen)
	}
	return r
}

// well is a stack with which all is well: its images have a version, and a
// crontab of the test's own has its schedule.
func well(t *testing.T) *deployment {
	t.Helper()
	project := newProject()
	nginx := "regctl.local/" + project + ":1.0.0"
	tool(t, "docker", "tag", imageNginx, nginx)
	t.Cleanup(func() { removeImage(t, nginx) })
	bin := t.TempDir()
	writeFile(t, filepath.Join(bin, "crontab"), `#!/bin/sh
table=${0%/*}/table
case $1 in
-l) cat "$table" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-r) rm "$table" ;;
-) cat >"$table" ;;
esac
`, 0o755)
	tool(t, "cp", "/bin/sleep", filepath.Join(bin, "crond"))
	startProcess(t, nil, "", filepath.Join(bin, "crond"), "600")
	d := stack(t, options{project: project, nginx: nginx, env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}})
	d.regctl(t, "schedule", "install", "--cron", "--force").want(t, 0)
	return d
}

// A healthy stack has no finding, also after a push; each way to break it gives
// its own, which is gone when the stack was mended as the finding says.
func TestDoctor(t *testing.T) {
	t.Parallel()
	d := well(t)
	began := time.Now()
	d.sees(t, "", "")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("doctor took %s on a healthy stack", took)
	}
	d.sees(t, "", "", "--smoke")
	if r := d.must(t, "doctor"); !strings.HasPrefix(r.stdout, "all is well: none of ") {
		t.Errorf("%v", r)
	}

	t.Run("modes", func(t *testing.T) {
		if err := os.Chmod(d.path("private/ca-key.pem"), 0o644); err != nil {
			t.Fatal(err)
		}
		d.sees(t, "RC080", "private/ca-key.pem has mode 0644")
		d.sees(t, "", "", "--fix")
	})
	t.Run("a body that is too large", func(t *testing.T) {
		d.replace(t, "nginx/nginx.conf", "client_max_body_size 0;", "client_max_body_size 1m;")
		d.exec(t, "nginx", "nginx", "-c", "/etc/regctl/nginx/nginx.conf", "-s", "reload")
		eventually(t, 10*time.Second, "413 and the edit", func() bool { return d.doctor(t).ids() == "RC025 RC082" })
		if r := d.doctor(t, "--smoke"); !strings.Contains(r.ids(), "RC032") {
			t.Errorf("a push was tried, and doctor found %v", r)
		}
		d.must(t, "up", "--force")
		d.sees(t, "", "")
	})
	t.Run("the registry is stopped", func(t *testing.T) {
		tool(t, "docker", "stop", d.containerID(t, "registry"))
		// The front door remembers for a moment that it was there.
		eventually(t, 10*time.Second, "stopped, and seen from outside", func() bool { return d.doctor(t).ids() == "RC008 RC022" })
		d.sees(t, "RC008 RC022", "registry is exited", "--smoke")
		d.must(t, "up")
		eventually(t, 10*time.Second, "mended", func() bool { return d.doctor(t).ids() == "" })
	})
	t.Run("nginx is gone", func(t *testing.T) {
		tool(t, "docker", "rm", "--force", d.containerID(t, "nginx"))
		d.sees(t, "RC008 RC020", "nginx has no container")
		d.must(t, "up")
		d.sees(t, "", "")
	})
	t.Run("the container's environment", func(t *testing.T) {
		d.write(t, "docker-compose.override.yml", `services:
  registry:
    environment:
      REGISTRY_STORAGE_DELETE_ENABLED: "false"
      REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: inmemory
    logging: {driver: json-file, options: !reset null}
`)
		d.must(t, "up")
		d.sees(t, "RC029 RC031", "delete is off in the registry")
		if err := os.Remove(d.path("docker-compose.override.yml")); err != nil {
			t.Fatal(err)
		}
		d.must(t, "up")
		d.sees(t, "", "")
	})
	t.Run("users", func(t *testing.T) {
		file := d.read(t, "auth/htpasswd")
		writeFile(t, d.path("auth/htpasswd"), file+"old:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nhalf\n", 0o600)
		d.sees(t, "RC071 RC073", "line 3 of auth/htpasswd has no colon")
		writeFile(t, d.path("auth/htpasswd"), file, 0o600)
		d.sees(t, "", "")
	})
	t.Run("left behind", func(t *testing.T) {
		tool(t, "docker", "create", "--label", "io.regctl.once="+d.project, "--name", d.project+"-left", imageRegistry3)
		// A container that is being made gets a minute.
		d.sees(t, "", "")
		writeFile(t, d.path("auth/.regctl-tmp-0123456789abcdef"), "x", 0o600)
		old := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(d.path("auth/.regctl-tmp-0123456789abcdef"), old, old); err != nil {
			t.Fatal(err)
		}
		d.sees(t, "RC112", "auth/.regctl-tmp-0123456789abcdef")
		eventually(t, 90*time.Second, "the container is left behind", func() bool { return d.doctor(t).ids() == "RC110 RC112" })
		d.sees(t, "", "", "--fix")
		if r := try(t, "docker", "inspect", d.project+"-left"); r.status == 0 {
			t.Error("the container is still there")
		}
	})
	t.Run("the certificate served", func(t *testing.T) {
		rename(t, d.path("certs/live"), d.path("certs/hidden"))
		d.sees(t, "RC050", "")
		rename(t, d.path("certs/hidden"), d.path("certs/live"))
		d.sees(t, "", "")
	})
	t.Run("no schedule", func(t *testing.T) {
		d.must(t, "schedule", "remove", "--cron")
		d.sees(t, "RC056", "neither systemd nor cron")
		d.regctl(t, "schedule", "install", "--cron", "--force").want(t, 0)
		d.sees(t, "", "")
	})
	t.Run("the stack is down", func(t *testing.T) {
		d.must(t, "down")
		d.sees(t, "RC007", "no service has a container")
		d.must(t, "up")
		d.sees(t, "", "")
	})
}

// Registry 2 has known faults, and an image without a version is not pinned.
func TestDoctorImages(t *testing.T) {
	t.Parallel()
	d := stack(t, options{registry: imageRegistry2, nginx: "regctl.local/nginx:latest"})
	ids := d.doctor(t, "--smoke").ids()
	for _, id := range []string{"RC060", "RC062"} {
		if !strings.Contains(ids, id) {
			t.Errorf("%s is not among %s", id, ids)
		}
	}
}

// Without an engine, or with one that hangs, the rest is looked at, in time.
func TestDoctorWithoutEngine(t *testing.T) {
	t.Parallel()
	d := well(t)
	env := d.env
	d.env = append(env[:len(env):len(env)], "DOCKER_HOST=unix:///nonexistent/docker.sock")
	// The schedule was installed for another engine.
	d.sees(t, "RC003 RC100", "there is no socket at /nonexistent/docker.sock")
	d.env = append(env[:len(env):len(env)], "DOCKER_HOST="+hangingEngine(t, true))
	began := time.Now()
	if r := d.doctor(t); !strings.Contains(r.ids(), "RC003") {
		t.Errorf("doctor found %+v", r.Findings)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("doctor took %s with an engine that hangs", took)
	}
}

// Whoever may not write the directory, or read its secrets, is told so, and what is
// there stays.
func TestDoctorAsAnother(t *testing.T) {
	needRoot(t)
	t.Parallel()
	d := well(t)
	d.untouched(t, func() {
		r := d.as(t, 65534, 65534, nil, "doctor", "--json")
		var out doctored
		r.json(t, &out)
		for _, id := range []string{"RC085", "RC070"} {
			if !strings.Contains(out.ids(), id) {
				t.Errorf("%s is not among %s", id, out.ids())
			}
		}
		r.want(t, 3)
	})
}
