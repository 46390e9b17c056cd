package fsck

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// link writes a link from the name of its directory, if what it leads to is there.
func (m *mender) link(ctx context.Context, st *Step) error {
	target := st.Digest
	if st.about == aboutLayer && target.Algorithm() != storage.SHA256 {
		var err error
		if target, err = m.alias(ctx, target, st.want.Size); err != nil {
			return err
		}
		if target.IsZero() {
			st.Message = "which blob it stood for cannot be told"
			return nil
		}
	}
	if st.about != aboutHistory {
		if _, err := m.store.Stat(target); err != nil {
			if !isGone(err) {
				return err
			}
			st.Message = "its blob is not there"
			if st.about != aboutLayer {
				return nil
			}
			// With a link that cannot be read, no push can bring the blob.
			if _, err := m.store.Lstat(st.Path); err == nil {
				st.Aside, err = m.aside(st.Path)
				return err
			}
			return nil
		}
	}
	return m.writeLink(st, target, time.Time{})
}

// alias finds the blob that a layer which was pushed by its sha512 is stored as.
func (m *mender) alias(ctx context.Context, d storage.Digest, size int64) (found storage.Digest, err error) {
	if size == 0 {
		return found, nil
	}
	var same []storage.Digest
	if err := m.store.Blobs(ctx, 1, func(b storage.Blob) error {
		if b.Info.Size == size && b.Info.Mode.IsRegular() {
			same = append(same, b.Digest)
		}
		return nil
	}, nil); err != nil {
		return found, err
	}
	for _, candidate := range same {
		f, _, err := m.store.OpenBlob(candidate)
		if err != nil {
			continue
		}
		sum, _, err := m.hasher.sum(ctx, d.Algorithm(), f)
		f.Close()
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if err == nil && sum == d {
			return candidate, nil
		}
	}
	return found, nil
}

// writeLink puts a link in its place, what was there being moved aside. A link
// that the registry wrote meanwhile stays.
func (m *mender) writeLink(st *Step, target storage.Digest, when time.Time) error {
	var err error
	if _, err = m.store.Lstat(st.Path); err == nil {
		if m.good(st.Path, st, target) {
			st.Message = "it is good by now"
			return nil
		}
		if st.Aside, err = m.aside(st.Path); err != nil {
			return err
		}
		if m.good(st.Aside, st, target) {
			// A push came in this instant. A yet younger one wins.
			if err := m.change("move back", st.Path); err != nil {
				return err
			}
			if err := m.store.Move(st.Aside, st.Path); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			st.Aside, st.Message = "", "it is good by now"
			return durable.SyncDir(m.store.Path(path.Dir(st.Path)))
		}
	} else if !isGone(err) {
		return err
	}
	if err := m.mkdirAll(path.Dir(st.Path)); err != nil {
		return err
	}
	if err := m.change("link", st.Path); err != nil {
		return err
	}
	err = durable.CreateFile(m.store.Path(st.Path), []byte(target.String()), 0o644)
	if errors.Is(err, fs.ErrExist) {
		st.Message = "it was pushed meanwhile"
		return nil
	}
	if err != nil {
		return err
	}
	st.Done = true
	if when.IsZero() {
		return nil
	}
	// Retention goes by the time of a tag's link.
	return os.Chtimes(m.store.Path(st.Path), when, when)
}

// good tells whether a link says what it should; of a tag that is any digest.
func (m *mender) good(rel string, st *Step, target storage.Digest) bool {
	f, _, err := m.store.OpenFile(rel)
	if err != nil {
		return false
	}
	defer f.Close()
	var buf [256]byte
	n, _ := f.Read(buf[:])
	d, fault := storage.ParseLink(buf[:n])
	return fault == "" && (st.Action == SetTag || d == target)
}

// aside moves something out of the way, under the path that it had.
func (m *mender) aside(rel string) (string, error) {
	to := damagedDir + "/" + m.stamp + "/" + rel
	if err := m.mkdirAll(path.Dir(to)); err != nil {
		return "", err
	}
	if err := m.change("move aside", rel); err != nil {
		return "", err
	}
	if err := m.store.Move(rel, to); err != nil {
		return "", err
	}
	return to, errors.Join(durable.SyncDir(m.store.Path(path.Dir(to))), durable.SyncDir(m.store.Path(path.Dir(rel))))
}

// mkdirAll makes a directory below the root, refusing to pass a symbolic link.
func (m *mender) mkdirAll(rel string) error {
	at := ""
	for name := range strings.SplitSeq(rel, "/") {
		at = strings.TrimPrefix(at+"/"+name, "/")
		info, err := m.store.Lstat(at)
		if isGone(err) {
			break
		}
		if err != nil {
			return err
		}
		if !info.Mode.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: m.store.Path(at), Err: errors.New("is not a directory")}
		}
	}
	return durable.MkdirAll(m.store.Path(rel), 0o755)
}
