package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
)

// configNames are what of a deployment directory goes into a backup. Other things
// that lie there are somebody else's.
var configNames = []string{compose.ConfigFile, compose.ComposeFile, compose.OverrideFile, "docker-compose.override.yaml", ".env",
	filepath.Dir(compose.NginxConf), filepath.Dir(compose.RegistryConf), filepath.Dir(compose.UserFile), compose.CertsDir, compose.PrivateDir,
	compose.StateDir + "/rendered.json"}

// configMost bounds a file of the configuration: more is none.
const configMost = 8 << 20

// configFiles reads what there is of the configuration.
func configFiles(dir string) (out []backup.ConfigFile, err error) {
	for _, name := range configNames {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && strings.HasPrefix(e.Name(), durable.TempPrefix) {
				return nil
			}
			if err != nil {
				return err
			}
			f, err := configFile(dir, path)
			if err == nil && f != nil {
				out = append(out, *f)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// configFile is nil for a socket and the like.
func configFile(dir, path string) (*backup.ConfigFile, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, err
	}
	f := &backup.ConfigFile{Path: filepath.ToSlash(rel), Mode: fi.Mode().Perm() | fi.Mode().Type(), ModTime: fi.ModTime()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(st.Uid), int(st.Gid)
	}
	switch fi.Mode().Type() {
	case 0:
		if fi.Size() > configMost {
			return nil, fmt.Errorf("%s has %d bytes, too many for a file of the configuration; move it away", path, fi.Size())
		}
		f.Data, err = os.ReadFile(path)
	case fs.ModeDir:
	case fs.ModeSymlink:
		var to string
		if to, err = os.Readlink(path); err == nil && (filepath.IsAbs(to) || !filepath.IsLocal(filepath.Join(filepath.Dir(rel), to))) {
			return nil, nil // it leads to what is not of this directory
		}
		f.Data = []byte(to)
	default:
		return nil, nil
	}
	return f, err
}

// writeConfig brings a configuration back into a directory. What is there and
// differs is moved to before, relative to the directory. regctl.yaml comes last: with
// it the deployment is whole.
func writeConfig(dir, before string, files []backup.ConfigFile) (written, moved []string, err error) {
	var last []backup.ConfigFile
	for _, f := range files {
		if f.Path == compose.ConfigFile {
			last = append(last, f)
			continue
		}
		if written, moved, err = writeOne(dir, before, f, written, moved); err != nil {
			return written, moved, err
		}
	}
	for _, f := range last {
		if written, moved, err = writeOne(dir, before, f, written, moved); err != nil {
			return written, moved, err
		}
	}
	return written, moved, nil
}

func writeOne(dir, before string, f backup.ConfigFile, written, moved []string) (_, _ []string, err error) {
	path := filepath.Join(dir, filepath.FromSlash(f.Path))
	// Behind a link that is there already lies somebody else's directory.
	for up := filepath.Dir(path); len(up) > len(dir); up = filepath.Dir(up) {
		if fi, err := os.Lstat(up); err == nil && !fi.IsDir() {
			return written, moved, fmt.Errorf("%s is in the way: it is no directory", up)
		}
	}
	if f.Mode.IsDir() {
		if err := durable.MkdirAll(path, f.Mode.Perm()); err != nil {
			return written, moved, err
		}
		return written, moved, give(path, f)
	}
	have, err := os.Lstat(path)
	if err == nil {
		if same(path, have, f) {
			return written, moved, nil
		}
		aside := filepath.Join(dir, filepath.FromSlash(before), filepath.FromSlash(f.Path))
		if err := durable.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
			return written, moved, err
		}
		if err := durable.Rename(path, aside); err != nil {
			return written, moved, err
		}
		moved = append(moved, f.Path)
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return written, moved, err
	}
	if f.Mode&fs.ModeSymlink != 0 {
		err = durable.Symlink(string(f.Data), path)
	} else {
		err = durable.WriteFile(path, f.Data, f.Mode.Perm())
	}
	if err != nil {
		return written, moved, err
	}
	return append(written, f.Path), moved, give(path, f)
}

func same(path string, have fs.FileInfo, f backup.ConfigFile) bool {
	if have.Mode().Type() != f.Mode.Type() {
		return false
	}
	if f.Mode&fs.ModeSymlink != 0 {
		to, err := os.Readlink(path)
		return err == nil && to == string(f.Data)
	}
	data, err := os.ReadFile(path)
	return err == nil && string(data) == string(f.Data) && have.Mode().Perm() == f.Mode.Perm()
}

// give hands what was brought back to its owner, which only root can, and sets its
// time: the front door goes by that of the user file.
func give(path string, f backup.ConfigFile) error {
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, f.UID, f.GID); err != nil {
			return err
		}
	}
	if !f.Mode.IsRegular() {
		return nil
	}
	return os.Chtimes(path, time.Time{}, f.ModTime)
}
