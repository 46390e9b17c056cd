package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// partDir holds what is being fetched, where no registry looks.
const partDir = storage.StateDir + "/repair"

// clean removes what a killed run was fetching.
func (m *mender) clean() error { return os.RemoveAll(m.store.Path(partDir)) }

// fetch brings a blob.
func (m *mender) fetch(ctx context.Context, st *Step) error {
	dir := storage.BlobPath(st.Digest)
	data := dir + "/data"
	bad, gone, _, err := m.hasher.why(ctx, st.Digest)
	switch {
	case err != nil:
		return err
	case !gone && bad == "":
		st.Message = "its bytes match its digest: there is nothing to fetch"
		return nil
	}
	part, from, why, err := m.bring(ctx, st.want)
	if err != nil {
		return err
	}
	// What cannot be read may be readable tomorrow: it goes only for a good one.
	if !gone && (part != "" || !strings.HasPrefix(bad, "cannot")) {
		if st.Aside, err = m.aside(data); err != nil {
			return err
		}
	}
	if part == "" {
		st.Message = why
		return nil
	}
	if err := m.mkdirAll(dir); err != nil {
		return err
	}
	if err := m.change("place", data); err != nil {
		return err
	}
	err = m.store.Move(part, data)
	if errors.Is(err, fs.ErrExist) { // a push was faster; the next check sees whether it is good
		st.Message = "it came by a push"
		return os.Remove(m.store.Path(part))
	}
	if err != nil {
		return err
	}
	st.From, st.Done = from, true
	return durable.SyncDir(m.store.Path(dir))
}

// bring reads a blob from the first source that has a good one. Without one it
// returns why.
func (m *mender) bring(ctx context.Context, w Want) (part, from, why string, err error) {
	if err := m.mkdirAll(partDir); err != nil {
		return "", "", "", err
	}
	part = partDir + "/" + w.Digest.Algorithm().String() + "-" + w.Digest.Hex()
	var reasons []string
	for _, s := range m.sources() {
		r, err := s.Open(ctx, w)
		if err == nil {
			if err = m.change("fetch", part); err != nil {
				r.Close()
				return "", "", "", err
			}
			err = m.hasher.receive(ctx, m.store.Path(part), w, r, m.own)
			r.Close()
		}
		var full *fullError
		switch {
		case err == nil:
			return part, s.String(), "", nil
		case ctx.Err() != nil:
			return "", "", "", ctx.Err()
		case errors.As(err, &full):
			return "", "", "", full.error
		case !errors.Is(err, fs.ErrNotExist):
			reasons = append(reasons, s.String()+": "+strings.ReplaceAll(reason(err), "\n", " "))
		}
	}
	if len(reasons) == 0 {
		return "", "", "nobody asked has it", nil
	}
	return "", "", strings.Join(reasons, "; "), nil
}

// fullError is about this disk, not about the source.
type fullError struct{ error }

// receive writes what a source gives to a file that is flushed and has the right
// digest, or to none.
func (h *hasher) receive(ctx context.Context, path string, w Want, r io.Reader, own func(*os.File) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return &fullError{err}
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = &fullError{closed}
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	in := io.TeeReader(io.LimitReader(r, w.most()+1), &disk{f})
	sum, n, err := h.sum(ctx, w.Digest.Algorithm(), in)
	switch {
	case err != nil:
		return err
	case n > w.most():
		return fmt.Errorf("more than the %d bytes that it may have", w.most())
	case sum != w.Digest:
		return fmt.Errorf("%d bytes that do not match the digest", n)
	}
	if err := own(f); err != nil {
		return &fullError{err}
	}
	if err := f.Sync(); err != nil {
		return &fullError{err}
	}
	return nil
}

// disk marks errors as the disk's.
type disk struct{ f *os.File }

func (d *disk) Write(p []byte) (int, error) {
	n, err := d.f.Write(p)
	if err != nil {
		err = &fullError{err}
	}
	return n, err
}

// own makes a file as the registry would have made it.
func (m *mender) own(f *os.File) error {
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	top, err := m.store.Lstat(layout)
	if err != nil || os.Geteuid() != 0 || top.UID == 0 && top.GID == 0 {
		return err
	}
	// In a container without the right to do so it stays root's, which all can read.
	if err := f.Chown(top.UID, top.GID); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
