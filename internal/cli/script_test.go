package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// TestScripts runs testdata/script: what each command prints, changes and ends
// with. There is no Docker in them: DOCKER_HOST names a socket that is not there.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         memoryDir(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-docker.sock")
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("NO_COLOR", "")
			env.Setenv("REGCTL_DIR", "")
			for _, dir := range []string{env.WorkDir, filepath.Dir(env.WorkDir)} {
				if err := os.Chmod(dir, 0o755); err != nil { // for asnobody
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     scriptExits,
			"write":     scriptWrite,
			"snapshot":  scriptSnapshot,
			"unchanged": scriptUnchanged,
			"mode":      scriptMode,
			"hold":      scriptHold,
			"json":      scriptJSON,
			"secret":    scriptSecret,
			"pick":      scriptPick,
			"listed":    scriptListed,
			"storage":   scriptStorage,
		},
	})
}

// exits STATUS COMMAND...: runs a command that has to end with exactly that
// status.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// write FILE TEXT: TEXT as Go would read it between double quotes, so that a
// file can lack its last newline or hold any byte.
func scriptWrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: write FILE TEXT")
	}
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// snapshot NAME DIR and unchanged NAME DIR: the whole tree is the same, byte for
// byte, mode for mode.
func scriptSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snapshot NAME DIR")
	}
	listing, err := listTree(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Setenv("SNAPSHOT_"+args[0], listing)
}

func scriptUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] unchanged NAME DIR")
	}
	listing, err := listTree(ts.MkAbs(args[1]))
	ts.Check(err)
	before := ts.Getenv("SNAPSHOT_" + args[0])
	switch {
	case before == "":
		ts.Fatalf("there is no snapshot %s", args[0])
	case neg && listing == before:
		ts.Fatalf("%s is unchanged", args[1])
	case !neg && listing != before:
		ts.Fatalf("%s changed:\n%s", args[1], diff.Diff("before", []byte(before), "now", []byte(listing)))
	}
}

// listTree lists what is below dir: modes, link targets, sums of contents. What
// locks hold is left out: it names the last process that took them. So is the audit,
// which grows with each command.
func listTree(dir string) (string, error) {
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || filepath.Base(path) == filepath.Base(auditFile) {
			return err
		}
		fmt.Fprintf(&b, "%v %s", fi.Mode(), name)
		switch {
		case fi.Mode().IsRegular() && name != ".regctl/lock" && name != ".regctl/users.lock":
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(data))
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			b.WriteString(" -> " + target)
		}
		b.WriteByte('\n')
		return nil
	})
	return b.String(), err
}

// mode MODE FILE...: each is there with exactly these permissions.
func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode MODE FILE...")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	for _, name := range args[1:] {
		fi, err := os.Lstat(ts.MkAbs(name))
		ts.Check(err)
		if fi.Mode().Perm() != fs.FileMode(want) {
			ts.Fatalf("%s is %v, want %03o", name, fi.Mode(), want)
		}
	}
}

// storage DIR: a registry's storage directory with the repositories team/app (v1
// and v2, an index, with a signature), team/app/tools and damaged.
func scriptStorage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: storage DIR")
	}
	tree := storagetest.New(ts.MkAbs(args[0]))
	image := func(repository, arch, layer string) storage.Digest {
		return tree.Image(repository, `{"os":"linux","architecture":"`+arch+`","created":"2026-01-02T00:00:00Z"}`, "shared", layer)
	}
	v1 := image("team/app", "amd64", "layer 1")
	tree.Tag("team/app", "v1", v1)
	tree.Tag("team/app", "latest", v1)
	v2 := tree.Index("team/app", image("team/app", "amd64", "layer 2"), image("team/app", "arm64", "layer 3"))
	tree.Tag("team/app", "v2", v2)
	tree.Tag("team/app", "sha256-"+v2.Hex()+".sig", tree.Image("team/app", "{}", "signature"))
	tree.Tag("team/app/tools", "v1", image("team/app/tools", "amd64", "tools"))
	tree.Tag("damaged", "v1", image("damaged", "amd64", "x"))
	tree.File(storage.TagLinkPath("damaged", "v1"), "")
}

// hold LOCK: this process holds the lock from now on, as `regctl gc` would.
func scriptHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold LOCK")
	}
	held, err := lock.Acquire(context.Background(), ts.MkAbs(args[0]), "regctl gc", 0)
	ts.Check(err)
	ts.Defer(func() { held.Release() })
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
}

// secret WORDFILE IN...: none of these files (stdout, stderr: of the last command)
// holds the first word of WORDFILE.
func scriptSecret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: secret WORDFILE IN...")
	}
	words := bytes.Fields([]byte(ts.ReadFile(args[0])))
	if len(words) == 0 || len(words[0]) < 8 {
		ts.Fatalf("%s holds no secret", args[0])
	}
	for _, name := range args[1:] {
		if bytes.Contains([]byte(ts.ReadFile(name)), words[0]) {
			ts.Fatalf("%s holds the secret of %s", name, args[0])
		}
	}
}

// pick FILE REGEXP: writes what the first parenthesis matches on the last
// command's standard output.
func scriptPick(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pick FILE REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	found := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("no match for %s", re)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(found[1]), 0o600))
}

// listed NAME...: the last command was `user ls` and listed exactly these, in
// this order.
func scriptListed(ts *testscript.TestScript, neg bool, args []string) {
	var names []string
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		if name, _, _ := strings.Cut(line, " "); i > 0 || name != "NAME" {
			names = append(names, name)
		}
	}
	if neg || !slices.Equal(names, args) {
		ts.Fatalf("listed are %q, want %q", names, args)
	}
}
