package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// prepared reads what is prepared below root: [ErrNotReady] if nothing is.
func prepared(root string) (r ready, err error) {
	text, err := os.ReadFile(filepath.Join(root, readyName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, ErrNotReady
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && (!strings.HasPrefix(r.BeforeDir, beforePrefix) || strings.Contains(r.BeforeDir[len(beforePrefix):], "/")) {
		err = fmt.Errorf("%s: %q is no place for what was there", readyName, r.BeforeDir)
	}
	return r, err
}

// Swap puts in place what [Store.Stage] prepared. The registry should not run: it
// takes a few renames. What was there is kept in Restored.Before, below root. A run
// that was killed is finished by another.
func Swap(ctx context.Context, root, command string) (*Restored, error) {
	return swap(ctx, root, command, func(string) error { return nil })
}

func swap(ctx context.Context, root, command string, step func(string) error) (_ *Restored, err error) {
	held, err := lockStorage(ctx, root, command)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	r, err := prepared(root)
	if err != nil {
		return nil, err
	}
	m := &mover{root: root, step: step, before: r.BeforeDir}
	if r.Partial {
		err = m.repositories(ctx)
	} else {
		err = m.whole(r.Inode)
	}
	if err != nil {
		return nil, err
	}
	if err := step("done"); err != nil {
		return nil, err
	}
	out := r.Restored
	if _, err := os.Lstat(filepath.Join(root, r.BeforeDir)); err == nil {
		out.Before = r.BeforeDir
	}
	return &out, os.RemoveAll(filepath.Join(root, stageDir))
}

// clearStage removes what an earlier restore left. One that was killed just after
// it exchanged the two has what was there before in the stage: that moves to its
// place first.
func clearStage(root string) error {
	r, err := prepared(root)
	switch m := (&mover{root: root, step: func(string) error { return nil }, before: r.BeforeDir}); {
	case errors.Is(err, ErrNotReady):
	case err != nil:
		return advice.With(err, "look at what is in %s, and remove it", filepath.Join(root, stageDir))
	case !r.Partial && m.inode(liveDir) == r.Inode:
		if err := m.whole(r.Inode); err != nil {
			return err
		}
	}
	// First what says that the rest is whole.
	if err := os.Remove(filepath.Join(root, readyName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(root, stageDir))
}

// mover renames below a root and keeps what was there.
type mover struct {
	root   string
	before string
	step   func(string) error
}

func (m *mover) there(rel string) bool {
	_, err := os.Lstat(filepath.Join(m.root, rel))
	return err == nil
}

// whole replaces everything, where the system can by exchanging the two, so that
// there is no instant without a registry's content. staged is the inode of what
// was prepared: it tells whether that is in place already.
func (m *mover) whole(inode uint64) error {
	staged := stageDir + "/" + liveDir
	if m.inode(liveDir) != inode {
		if err := m.step("in place"); err != nil {
			return err
		}
		if err := m.exchange(staged, liveDir); err != nil {
			return err
		}
	}
	if m.there(staged) {
		if err := m.step("aside"); err != nil {
			return err
		}
		if err := m.move(staged, m.before+"/"+liveDir); err != nil {
			return err
		}
	}
	// What a collection took is of what was there.
	if trash := storage.StateDir + "/trash"; m.there(trash) && m.there(m.before) && !m.there(m.before+"/trash") {
		return m.move(trash, m.before+"/trash")
	}
	return nil
}

// exchange exchanges two directories, of which the second may be missing.
func (m *mover) exchange(staged, live string) error {
	from, to := filepath.Join(m.root, staged), filepath.Join(m.root, live)
	if !m.there(live) {
		return m.move(staged, live)
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	switch err {
	case nil:
		return errors.Join(durable.SyncDir(m.root), durable.SyncDir(filepath.Dir(from)))
	case unix.EINVAL, unix.ENOSYS, unix.ENOTSUP: // NFS and the like
		if err := m.move(live, m.before+"/"+live); err != nil {
			return err
		}
		return m.move(staged, live)
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// inode is 0 for what is not there.
func (m *mover) inode(rel string) uint64 {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(m.root, rel), &st); err != nil {
		return 0
	}
	return uint64(st.Ino)
}

// move renames, and refuses to replace.
func (m *mover) move(from, to string) error {
	dst := filepath.Join(m.root, to)
	if err := durable.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(dst); err == nil {
		return advice.With(&fs.PathError{Op: "rename", Path: dst, Err: fs.ErrExist}, "move it away")
	}
	return durable.Rename(filepath.Join(m.root, from), dst)
}

// repositories replaces single repositories: blobs first, manifests last, as a
// registry writes them. Others stay as they are.
func (m *mover) repositories(ctx context.Context) error {
	staged := filepath.Join(m.root, stageDir)
	blobs := filepath.Join(staged, "docker/registry/v2/blobs")
	var dirs []string
	err := filepath.WalkDir(blobs, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "data" && e.Type().IsRegular() {
			dirs = append(dirs, filepath.Dir(p))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(staged, dir)
		if err != nil {
			return err
		}
		if err := m.blob(rel); err != nil {
			return err
		}
	}
	for _, part := range []string{"_layers", "_manifests"} {
		err := filepath.WalkDir(filepath.Join(staged, "docker/registry/v2/repositories"), func(p string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() || !strings.HasPrefix(e.Name(), "_") {
				return err
			}
			if e.Name() != part {
				return fs.SkipDir
			}
			rel, err := filepath.Rel(staged, p)
			if err == nil {
				err = m.replace(rel)
			}
			if err != nil {
				return err
			}
			return fs.SkipDir // by itself: WalkDir compares it
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// blob puts a blob in place unless a good one is there: a damaged one moves away.
func (m *mover) blob(rel string) error {
	if !m.there(rel) {
		if err := m.step("blob"); err != nil {
			return err
		}
		return m.move(stageDir+"/"+rel, rel)
	}
	d, err := storage.ParseDigest(path.Base(path.Dir(path.Dir(rel))) + ":" + path.Base(rel))
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(m.root, rel, "data"))
	if err == nil {
		h := d.Algorithm().New()
		_, err = io.Copy(h, f)
		f.Close()
		if err == nil && d.Algorithm().Sum(h) == d {
			return nil
		}
	}
	return m.replace(rel)
}

// replace moves what is at rel away and what was staged there.
func (m *mover) replace(rel string) error {
	if m.there(rel) && !m.there(m.before+"/"+rel) {
		if err := m.step("aside " + path.Base(rel)); err != nil {
			return err
		}
		if err := m.move(rel, m.before+"/"+rel); err != nil {
			return err
		}
	}
	if err := m.step("in place " + path.Base(rel)); err != nil {
		return err
	}
	return m.move(stageDir+"/"+rel, rel)
}
