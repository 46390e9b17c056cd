package certs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

func TestLoadFiles(t *testing.T) {
	p := goodPair(t, host)
	cert, key := tempFile(t, "c", string(p.Fullchain)), tempFile(t, "k", string(p.Key))
	got, err := LoadFiles(cert, key)
	if err != nil || string(got.Fullchain) != string(p.Fullchain) || string(got.Key) != string(p.Key) {
		t.Errorf("got another pair, %v", err)
	}
	if err := got.Check([]string{host}, now).Err(); err != nil {
		t.Error(err)
	}
}

// certbot's live/NAME holds links into ../../archive/NAME.
func TestLoadFilesOfCertbot(t *testing.T) {
	p, dir := goodPair(t, host), t.TempDir()
	live, archive := filepath.Join(dir, "live", host), filepath.Join(dir, "archive", host)
	for _, d := range []string{live, archive} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"fullchain": p.Fullchain, "privkey": p.Key} {
		if err := os.WriteFile(filepath.Join(archive, name+"7.pem"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..", "..", "archive", host, name+"7.pem"), filepath.Join(live, name+".pem")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := LoadFiles(filepath.Join(live, "fullchain.pem"), filepath.Join(live, "privkey.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check([]string{host}, now).Err(); err != nil {
		t.Error(err)
	}
	_, err = LoadFiles(live, live)
	want := "name the files in it: " + filepath.Join(live, "fullchain.pem") + " and " + filepath.Join(live, "privkey.pem")
	if !errors.Is(err, syscall.EISDIR) || advice.Of(err) != want {
		t.Errorf("got %v, advice %q", err, advice.Of(err))
	}
}

func TestLoadFilesErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	good := tempFile(t, "good", "x")
	for name, data := range map[string]string{"empty": "", "large": strings.Repeat("x", maxFile+1), "most": strings.Repeat("x", maxFile)} {
		if err := os.WriteFile(at(name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", at("loop")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, text string
		is         error
	}{
		{at("none"), "open " + at("none") + ": no such file or directory", fs.ErrNotExist},
		{dir, "read " + dir + ": is a directory", syscall.EISDIR},
		{at("empty"), at("empty") + " is empty", nil},
		{at("large"), at("large") + " has more than 1048576 bytes: it is no certificate or key", nil},
		{at("fifo"), at("fifo") + " is not a regular file", nil},
		{at("loop"), "open " + at("loop") + ": too many levels of symbolic links", syscall.ELOOP},
		{os.DevNull, os.DevNull + " is not a regular file", nil},
	}
	for _, tt := range tests {
		for _, paths := range [][2]string{{tt.path, good}, {good, tt.path}} {
			_, err := LoadFiles(paths[0], paths[1])
			if err == nil || err.Error() != tt.text || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("LoadFiles(%q) = %v, want %s", paths, err, tt.text)
			}
		}
	}
	if _, err := LoadFiles(at("most"), good); err != nil {
		t.Errorf("a file of just the allowed size: %v", err)
	}
}

// The permission is asked of the kernel as another user: root may read all.
func TestLoadFilesNoPermission(t *testing.T) {
	path := tempFile(t, "secret", "x")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	var err error
	asNobody(t, func() { _, err = readFile(path) })
	if !errors.Is(err, fs.ErrPermission) || advice.Of(err) != "run regctl as a user who may read "+path {
		t.Errorf("got %v, advice %q", err, advice.Of(err))
	}
}
