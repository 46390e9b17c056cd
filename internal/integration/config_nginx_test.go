//go:build integration

package integration

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestNginxRefuses renders for images whose Nginx cannot load the result. What
// the program says is shown, and nothing is changed.
func TestNginxRefuses(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	good := d.read(t, "regctl.yaml")
	broken := d.brokenNginx(t)
	for _, c := range []struct {
		name, image string
		says        []string
	}{
		{"no nginx in it", imageRegistry3, []string{`"nginx"`, "not found"}},
		{"nginx -t fails", broken, []string{broken + " refuses the rendered configuration; nothing was changed", `getpwnam("nginx") failed`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.setConfig(t, "nginx", "image", c.image)
			d.untouched(t, func() {
				d.regctl(t, "up").want(t, 1, c.says...)
				d.noOneOffs(t)
			})
			if got := d.login(t, d.user, d.password); got != http.StatusOK {
				t.Errorf("login: %d", got)
			}
			if status := d.status(t, 0); status.State != "up" {
				t.Errorf("status: %+v", status)
			}
			d.write(t, "regctl.yaml", good)
			d.untouched(t, func() { d.must(t, "up") })
		})
		t.Run(c.name+", from nothing", func(t *testing.T) {
			d := initialised(t, options{nginx: c.image})
			before := d.tree(t)
			d.regctl(t, "up").want(t, 1, c.says...)
			d.noContainers(t)
			sameMap(t, "files", before, d.tree(t))
		})
	}
}

// brokenNginx makes an image from the stack's own, in which the user that
// Nginx is to run as is missing.
func (d *deployment) brokenNginx(t *testing.T) string {
	t.Helper()
	passwd := filepath.Join(t.TempDir(), "passwd")
	writeFile(t, passwd, "root:x:0:0:root:/:/bin/sh\n", 0o644)
	name := "regctl-it.local/" + d.project + ":broken"
	id := strings.TrimSpace(tool(t, "docker", "create", "--label", testLabel+"="+d.project, imageNginx))
	tool(t, "docker", "cp", passwd, id+":/etc/passwd")
	tool(t, "docker", "commit", id, name)
	removeImage(t, name)
	return name
}
