package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A user is there or is not; those that were there before are there always.
func TestUserAddKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(memoryDir(t), "d")
	mustRun(t, "init", dir, "--domain", "localhost", "--user", "first")
	n := 1
	for ; ; n++ {
		name := fmt.Sprintf("user%d", n)
		killed := runKilled(t, n, "user", "add", name, "-C", dir)
		// 3: rights may be there of a user who is not there yet.
		if list, status := run(t, "user", "ls", "-C", dir); !strings.Contains(list, "\nfirst ") || status != 0 && status != 3 {
			t.Fatalf("killed before change %d: status %d, the users are\n%s", n, status, list)
		}
		// Then again: it works, or says that it is done already.
		if out, status := run(t, "user", "add", name, "-C", dir); status != 0 && !(status == 1 && strings.Contains(out, "user exists already: "+name)) {
			t.Errorf("killed before change %d, then again: status %d\n%s", n, status, out)
		}
		if list := mustRun(t, "user", "ls", "-C", dir); !strings.Contains(list, "\n"+name+" ") {
			t.Errorf("killed before change %d, then again: the users are\n%s", n, list)
		}
		if !killed {
			break
		}
	}
}

// What was edited by hand is kept, and what regctl wrote never looks edited.
func TestRenderKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	n := 1
	for ; ; n++ {
		dir := filepath.Join(root, fmt.Sprint(n))
		mustRun(t, "init", dir, "--domain", "localhost")
		edit(t, filepath.Join(dir, "regctl.yaml"), "mode: selfsigned", "mode: selfsigned\nhttps_port: 8443\nstop_grace: 7s")
		theirs := "# theirs\n"
		if err := os.WriteFile(filepath.Join(dir, "nginx/nginx.conf"), []byte(theirs), 0o644); err != nil {
			t.Fatal(err)
		}
		killed := runKilled(t, n, "render", "--force", "-C", dir)
		keeps(t, n, dir, map[string]string{"nginx/nginx.conf": theirs})
		out, _ := run(t, "diff", "-C", dir)
		for _, name := range []string{"docker-compose.yml", "registry/config.yml"} {
			if strings.Contains(out, name+": edited by hand") {
				t.Errorf("killed before change %d: %s looks edited", n, name)
			}
		}
		mustRun(t, "render", "--force", "-C", dir)
		keeps(t, n, dir, map[string]string{"nginx/nginx.conf": theirs})
		mustRun(t, "diff", "-C", dir)
		if there(dir, "nginx/nginx.conf.edited-2") {
			t.Errorf("killed before change %d: the same file was kept twice", n)
		}
		if !killed {
			break
		}
		os.RemoveAll(dir)
	}
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		t.Fatalf("%s does not hold %q", path, from)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), from, to)), 0o644); err != nil {
		t.Fatal(err)
	}
}
