package cli

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/storage"
)

// A repair takes what it needs from each kind of backup, encrypted or not.
func TestFsckRepairFromBackups(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	identity, wrong := filepath.Join(dir, "identity"), filepath.Join(dir, "wrong")
	for path, key := range map[string]*age.X25519Identity{identity: id, wrong: other} {
		if err := os.WriteFile(path, []byte(key.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(s3.Close)
	env := map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-of-s3", "AWS_ENDPOINT_URL": s3.URL, "AWS_REGION": "us-east-1"}
	run := func(t *testing.T, args ...string) (status int, said string) {
		var out, errs bytes.Buffer
		a := &App{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(name string) string { return env[name] }, Now: time.Now, settle: time.Millisecond,
			Args: append([]string{"--dir", dir}, args...)}
		status = a.Run(t.Context())
		said = out.String() + errs.String()
		for _, secret := range []string{"secret-of-s3", id.String(), other.String()} {
			if strings.Contains(said, secret) {
				t.Errorf("%q tells a secret: %s", args, said)
			}
		}
		return status, said
	}
	for _, encrypted := range []bool{false, true} {
		var recipients []string
		name := "plain"
		if encrypted {
			recipients, name = []string{id.Recipient().String()}, "encrypted"
		}
		for kind, dest := range map[string]string{"directory": filepath.Join(dir, name), "object storage": "s3://bucket/" + name, "file": filepath.Join(dir, name+".tar.zst")} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				tree, config := damagedTree(t)
				makeBackup(t, tree.Dir, dest, recipients, backup.Access{AccessKey: "key", SecretKey: "secret-of-s3", Endpoint: s3.URL, Region: "us-east-1"})
				tree.Remove(storage.StateDir) // with the lock that it took
				layer := storage.SHA256.Of([]byte("layer two"))
				tree.File(storage.BlobPath(config)+"/data", "config 222")
				tree.Remove(storage.BlobPath(layer))
				args := []string{"fsck", "--root", tree.Dir, "-q", "--repair", "--from", dest}
				if encrypted {
					if status, said := run(t, args...); status != 1 || !strings.Contains(said, "no identity to read it with") || !strings.Contains(said, "hint: --identity") {
						t.Errorf("no identity: status %d, %s", status, said)
					}
					if status, said := run(t, append(args, "--identity", wrong)...); status != 1 || !strings.Contains(said, "not one that this was encrypted to") {
						t.Errorf("another's identity: status %d, %s", status, said)
					}
					args = append(args, "--identity", identity)
				}
				if _, err := os.Lstat(tree.Path(storage.StateDir)); err == nil {
					t.Errorf("something was written before the backup could be read")
				}
				status, said := run(t, append(args, "--dry-run")...)
				for _, d := range []storage.Digest{config, layer} {
					if want := "would fetch " + d.String() + " for team/app from " + dest + "\n"; status != 3 || !strings.Contains(said, want) {
						t.Errorf("status %d, no %q in %s", status, want, said)
					}
				}
				if status, said := run(t, args...); status != 0 || !strings.Contains(said, "did fetch "+layer.String()+" for team/app from "+dest) {
					t.Errorf("status %d, %s", status, said)
				}
				if data, err := os.ReadFile(tree.Path(storage.BlobPath(config) + "/data")); string(data) != "config two" {
					t.Errorf("%q, %v", data, err)
				}
				if status, said := run(t, "fsck", "--root", tree.Dir, "-q"); status != 0 {
					t.Errorf("status %d, %s", status, said)
				}
				if left, _ := filepath.Glob(tree.Path(storage.StateDir) + "/*"); len(left) != 4 {
					t.Errorf("in the state directory: %q", left)
				}
			})
		}
	}
}

// What a repair reads nobody prunes meanwhile; a dry run holds nobody up.
func TestFsckHoldsBackups(t *testing.T) {
	tree, _ := damagedTree(t)
	dest := t.TempDir()
	makeBackup(t, tree.Dir, dest, nil, backup.Access{})
	prune := func() error {
		target, err := backup.OpenTarget(dest, backup.Access{}, false)
		if err != nil {
			t.Fatal(err)
		}
		s, err := backup.Open(t.Context(), target, backup.Keys{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Prune(t.Context(), backup.PruneOptions{Command: "test"})
		return err
	}
	for _, dry := range []bool{false, true} {
		_, done, err := openSources(t.Context(), []fsckSource{{Dest: dest}}, dry)
		if err != nil {
			t.Fatal(err)
		}
		var busy *backup.BusyError
		if err := prune(); dry && err != nil || !dry && (!errors.As(err, &busy) || busy.Holder.Command != "regctl fsck --repair") {
			t.Errorf("dry run %v: %v", dry, err)
		}
		done()
		if err := prune(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}

// makeBackup makes a backup of a storage directory, exported if dest names a file.
func makeBackup(t *testing.T, root, dest string, recipients []string, access backup.Access) {
	t.Helper()
	keys, err := backup.NewKeys(recipients, nil)
	if err != nil {
		t.Fatal(err)
	}
	to := dest
	if strings.HasSuffix(dest, ".zst") {
		to = t.TempDir()
	}
	target, err := backup.OpenTarget(to, access, true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := backup.Create(t.Context(), target, keys)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(t.Context(), root, backup.Options{Command: "test"}); err != nil {
		t.Fatal(err)
	}
	if to == dest {
		return
	}
	snap, err := s.Snapshot(t.Context(), "latest")
	if err == nil {
		_, err = s.Export(t.Context(), snap, dest, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
