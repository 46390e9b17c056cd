package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/accesslog"
)

// A disk that is full fails no command because of its audit.
func TestAuditOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := fmt.Sprintf(`regctl init %[1]s --domain localhost >/dev/null || exit 1
i=0
while [ $(stat -c %%s %[1]s/.regctl/audit.log) -lt 4000 ]; do regctl user revoke nobody --admin -C %[1]s 2>/dev/null; done
cat /dev/zero >%[1]s/full 2>/dev/null
while [ $i -lt 30 ]; do i=$((i+1)); regctl schedule remove --cron -C %[1]s || exit 9; done`, dir)
	cmd := exec.Command("tinydisk", "size=600k", dir, "sh", "-c", script)
	bin := t.TempDir()
	if err := os.WriteFile(bin+"/crontab", []byte("#!/bin/sh\necho no crontab for me >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(noDocker(), "PATH="+bin+":"+os.Getenv("PATH"))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	if !strings.Contains(b.String(), "it was not written to the audit") || !strings.Contains(b.String(), "no space left on device") {
		t.Errorf("the disk was not full:\n%s", &b)
	}
}

// Each command is either in the list of those that only look, or is recorded; the
// list names no other.
func TestOnlyLookNamesCommands(t *testing.T) {
	var names []string
	for _, c := range commands(t) {
		names = append(names, commandName(c))
	}
	for _, name := range onlyLook {
		if !slices.Contains(names, name) && name != "help" && !strings.HasPrefix(name, "completion") {
			t.Errorf("there is no command %q", name)
		}
	}
	for _, name := range []string{"init", "up", "down", "restart", "render", "smoke", "user add", "user rm", "user passwd", "user grant", "user revoke",
		"cert issue", "cert renew", "cert import", "gc", "gc undo", "gc purge", "schedule install", "schedule remove"} {
		if slices.Contains(onlyLook, name) || !slices.Contains(names, name) {
			t.Errorf("%q is not recorded", name)
		}
	}
}

// A URL loses its credentials.
func TestAuditArgs(t *testing.T) {
	c := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }}
	c.Flags().String("to", "", "")
	c.Flags().Bool("force", false, "")
	c.Flags().Bool("quiet", false, "")
	c.SetArgs([]string{"https://me:secret@host/a", "--to", "s3://key:secret@bucket", "--force", "--quiet"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	want := []string{"https://***@host/a", "--force", "--to=s3://***@bucket"}
	if got := auditArgs(c, c.Flags().Args()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAction(t *testing.T) {
	for name, tt := range map[string]struct {
		line accesslog.Line
		want string // "" for none
	}{
		"push":             {accesslog.Line{User: "ci", Method: "PUT", Path: "/v2/a/manifests/v1", Repository: "a", Reference: "v1", Status: 201}, "ci done push a:v1"},
		"pull":             {accesslog.Line{User: "ci", Method: "GET", Path: "/v2/a/manifests/v1", Repository: "a", Reference: "v1", Status: 200}, "ci done pull a:v1"},
		"delete":           {accesslog.Line{User: "ci", Method: "DELETE", Path: "/v2/a/manifests/sha256:0", Repository: "a", Reference: "sha256:0", Status: 202}, "ci done delete a@sha256:0"},
		"delete a blob":    {accesslog.Line{User: "ci", Method: "DELETE", Path: "/v2/a/blobs/sha256:0", Repository: "a", Reference: "sha256:0", Status: 202}, "ci done delete a@sha256:0"},
		"cancel an upload": {accesslog.Line{User: "ci", Method: "DELETE", Path: "/v2/a/blobs/uploads/0", Repository: "a", Status: 204}, ""},
		"refused":          {accesslog.Line{User: "ci", Method: "POST", Path: "/v2/a/blobs/uploads/", Verb: "push", Repository: "a", Status: 403}, "ci refused push a"},
		"list":             {accesslog.Line{User: "ci", Method: "GET", Path: "/v2/_catalog", Status: 200}, "ci done list"},
		"not there":        {accesslog.Line{User: "ci", Method: "GET", Path: "/v2/a/manifests/v1", Repository: "a", Reference: "v1", Status: 404}, "ci HTTP 404 pull a:v1"},
		"without login":    {accesslog.Line{Method: "GET", Path: "/v2/a/manifests/v1", Repository: "a", Reference: "v1", Status: 401}, ""},
		"a layer":          {accesslog.Line{User: "ci", Method: "GET", Path: "/v2/a/blobs/sha256:0", Status: 200}, ""},
		"ask":              {accesslog.Line{User: "ci", Method: "HEAD", Path: "/v2/a/manifests/v1", Status: 200}, ""},
		"ping":             {accesslog.Line{User: "ci", Method: "GET", Path: "/v2/", Status: 200}, ""},
	} {
		e, ok := action(tt.line)
		got := ""
		if ok {
			got = e.User + " " + e.outcome() + " " + e.what()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
