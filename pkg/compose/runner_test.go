package compose

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// programs makes a directory of shell scripts the whole of PATH, so that no real
// Docker is met. They can use what the shell has built in, nothing else.
func programs(t *testing.T, scripts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range scripts {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	// A script that opens it for reading hangs.
	must(t, syscall.Mkfifo(filepath.Join(dir, "never"), 0o600))
	t.Setenv("PATH", dir)
	t.Setenv("FAKES", dir)
	return dir
}

const hangs = `read x < "$FAKES/never"`

// answers is a Compose of some version.
func answers(version string) string {
	return `case "$*" in *"version --short") echo "` + version + `";; *) exit 9;; esac` + "\n"
}

func TestFindCompose(t *testing.T) {
	const noPlugin = `echo "docker: 'compose' is not a docker command." >&2; exit 1`
	tests := map[string]struct {
		scripts map[string]string
		command string // "" when it has to fail
		version string
		says    string // in the error
	}{
		"plugin":            {scripts: map[string]string{"docker": answers("2.26.1")}, command: "docker compose", version: "2.26.1"},
		"plugin of Debian":  {scripts: map[string]string{"docker": answers("2.26.1-4")}, command: "docker compose", version: "2.26.1-4"},
		"plugin with a v":   {scripts: map[string]string{"docker": answers("v2.40.3")}, command: "docker compose", version: "2.40.3"},
		"plugin, version 5": {scripts: map[string]string{"docker": answers("5.0.1")}, command: "docker compose", version: "5.0.1"},
		"plugin before the other": {scripts: map[string]string{"docker": answers("2.1.0"), "docker-compose": answers("2.2.0")},
			command: "docker compose", version: "2.1.0"},
		"no plugin": {scripts: map[string]string{"docker": noPlugin, "docker-compose": answers("2.20.0")},
			command: "docker-compose", version: "2.20.0"},
		"no docker at all":       {scripts: map[string]string{"docker-compose": answers("2.20.0")}, command: "docker-compose", version: "2.20.0"},
		"plugin hangs":           {scripts: map[string]string{"docker": hangs, "docker-compose": answers("2.20.0")}, command: "docker-compose", version: "2.20.0"},
		"plugin fails, other v1": {scripts: map[string]string{"docker": noPlugin, "docker-compose": answers("1.29.2")}, says: "docker-compose is version 1.29.2"},
		"version 1 only":         {scripts: map[string]string{"docker-compose": answers("1.29.2")}, says: "docker-compose is version 1.29.2"},
		"plugin fails":           {scripts: map[string]string{"docker": noPlugin}},
		"plugin says nothing":    {scripts: map[string]string{"docker": "exit 0"}, says: "docker compose is version"},
		"plugin says nonsense":   {scripts: map[string]string{"docker": "echo hello"}, says: "docker compose is version hello"},
		"plugin killed":          {scripts: map[string]string{"docker": answers("2.1.0") + "kill -9 $$"}},
		"none":                   {},
		"all hang":               {scripts: map[string]string{"docker": hangs, "docker-compose": hangs}, says: "docker-compose does not answer within"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			programs(t, tt.scripts)
			began := time.Now()
			// Long enough for a shell on a loaded machine; only what hangs waits.
			r, err := findCompose(t.Context(), Layout{Dir: "/d"}, "p", 2*time.Second)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("took %s", took)
			}
			if tt.command == "" {
				if !errors.Is(err, ErrNoCompose) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %+v, error %v, want %q", r, err, tt.says)
				}
				if !strings.Contains(advice.Of(err), "apt-get install") {
					t.Errorf("hint %q", advice.Of(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "command", strings.Join(r.command, " "), tt.command)
			equal(t, "version", r.Version, tt.version)
		})
	}
}

func TestFindComposeInterrupted(t *testing.T) {
	dir := programs(t, map[string]string{"docker": `: > "$FAKES/began"; ` + hangs})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, filepath.Join(dir, "began"))
		cancel()
	}()
	if _, err := FindCompose(ctx, Layout{Dir: dir}, "p"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoCompose) {
		t.Errorf("error %v", err)
	}
}

func TestArgs(t *testing.T) {
	l := Layout{Dir: t.TempDir()}
	for _, tt := range []struct {
		command  []string
		override bool
		want     string
	}{
		{[]string{"docker", "compose"}, false, "docker compose --project-directory DIR -p p -f DIR/docker-compose.yml up --detach"},
		{[]string{"docker-compose"}, true, "docker-compose --project-directory DIR -p p -f DIR/docker-compose.yml -f DIR/docker-compose.override.yml up --detach"},
	} {
		if tt.override {
			put(t, l.Path(OverrideFile), "services: {}\n")
		}
		r := &Runner{layout: l, project: "p", command: tt.command}
		got := strings.ReplaceAll(strings.Join(r.Args("up", "--detach"), " "), l.Dir, "DIR")
		equal(t, "arguments", got, tt.want)
		equal(t, "command", r.command, tt.command) // not appended to
	}
}

// runner is one whose `docker compose` is a script.
func runner(t *testing.T, script string) (*Runner, string) {
	t.Helper()
	dir := programs(t, map[string]string{"docker": script})
	return &Runner{layout: Layout{Dir: dir}, project: "p", command: []string{"docker", "compose"}}, dir
}

func TestRun(t *testing.T) {
	r, dir := runner(t, `echo "in $(pwd -P)"; echo "args $*"; echo warning >&2`)
	var out strings.Builder
	if err := r.Run(t.Context(), &out, "ps", "--all"); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "output", out.String(), "in "+real+"\nargs compose --project-directory "+dir+" -p p -f "+dir+"/docker-compose.yml ps --all\nwarning\n")
}

func TestRunFails(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{`echo first; echo; echo "  no such image  " >&2; echo; exit 3`, "docker compose up: exit status 3: no such image"},
		{`exit 1`, "docker compose up: exit status 1"},
		{`printf "no line end" >&2; exit 1`, "docker compose up: exit status 1: no line end"},
		{`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`, "docker compose up: exit status 1: line 2999"},
		{`echo dying; kill -9 $$`, "docker compose up: signal: killed: dying"},
	} {
		r, _ := runner(t, tt.script)
		err := r.Run(t.Context(), io.Discard, "up", "--detach")
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", tt.script, err, tt.want)
		}
	}
	r, _ := runner(t, "")
	t.Setenv("PATH", t.TempDir())
	if err := r.Run(t.Context(), io.Discard, "up"); err == nil || !strings.HasPrefix(err.Error(), "docker compose up: ") {
		t.Errorf("without docker: %v", err)
	}
}

// A run that is interrupted asks Compose to stop, and waits until it has.
func TestRunInterrupted(t *testing.T) {
	r, dir := runner(t, `
		trap 'kill $!; echo stopped > "$FAKES/stopped"; exit 5' TERM
		(`+hangs+`) > /dev/null 2>&1 &
		: > "$FAKES/began"
		wait`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, filepath.Join(dir, "began"))
		cancel()
	}()
	err := r.Run(ctx, io.Discard, "up")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := contentsOf(t, filepath.Join(dir, "stopped")); got != "stopped\n" {
		t.Errorf("the child was not asked to stop: %q", got)
	}
}

// A Ctrl-C at the terminal goes to the whole foreground process group: Compose
// must not be in it, or it would be told twice.
func TestRunHasItsOwnProcessGroup(t *testing.T) {
	r, _ := runner(t, `read pid comm state ppid pgrp rest < /proc/$$/stat; echo "$pid $pgrp"`)
	var out strings.Builder
	if err := r.Run(t.Context(), &out, "ps"); err != nil {
		t.Fatal(err)
	}
	pid, group, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
	if pid == "" || pid != group {
		t.Errorf("process %s is in group %s", pid, group)
	}
}

// waitFor waits until a file exists.
func waitFor(t *testing.T, path string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Errorf("%s never came", path)
}
