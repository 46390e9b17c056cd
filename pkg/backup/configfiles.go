package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
)

// ConfigFile is a file, directory or symbolic link of the deployment.
type ConfigFile struct {
	// Path is relative to the deployment directory, with slashes.
	Path string `json:"path"`
	// Mode has the type: a regular file, fs.ModeDir or fs.ModeSymlink.
	Mode    fs.FileMode `json:"mode"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	ModTime time.Time   `json:"mod_time"`
	// Data is the content, or where a symbolic link leads.
	Data []byte `json:"data,omitempty"`
}

// configMost is the size of a whole configuration: certificates and text.
const configMost = 64 << 20

func (r *run) putConfig(ctx context.Context) error {
	if len(r.opts.Config) == 0 {
		return nil
	}
	if err := r.opts.step(configName); err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, f := range r.opts.Config {
		h := &tar.Header{Name: f.Path, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID, ModTime: f.ModTime, Format: tar.FormatPAX}
		switch f.Mode.Type() {
		case 0:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(f.Data))
		case fs.ModeDir:
			h.Typeflag = tar.TypeDir
		case fs.ModeSymlink:
			h.Typeflag, h.Linkname = tar.TypeSymlink, string(f.Data)
		default:
			return fmt.Errorf("%s is no file that can be backed up", f.Path)
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := t.Write(f.Data); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return err
	}
	data, name := b.Bytes(), configName
	if r.head.Encrypted {
		name += sealedSuffix
		sealed := r.keys.seal(&b)
		defer sealed.Close()
		var err error
		if data, err = io.ReadAll(sealed); err != nil {
			return err
		}
	}
	r.sums[name] = hexSum(data)
	return put(ctx, r, r.snapshotName(r.id, name), data)
}

// Config reads a snapshot's configuration, none if it has none. Paths that lead
// out of a directory are refused, also through a symbolic link.
func (s *Store) Config(ctx context.Context, snap *Snapshot) ([]ConfigFile, error) {
	if !snap.Config {
		return nil, nil
	}
	p, err := s.part(ctx, snap.ID, configName)
	if err != nil {
		return nil, err
	}
	out, err := readConfig(io.LimitReader(p, configMost))
	if sum := p.check(); sum != nil {
		return nil, sum
	}
	return out, err
}

func readConfig(r io.Reader) ([]ConfigFile, error) {
	var out []ConfigFile
	links := map[string]bool{}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: configuration: %w", ErrSnapshot, err)
		}
		f := ConfigFile{Path: filepath.ToSlash(filepath.Clean(h.Name)), Mode: fs.FileMode(h.Mode).Perm(), UID: h.Uid, GID: h.Gid, ModTime: h.ModTime}
		bad := !filepath.IsLocal(h.Name) || f.Path == "."
		switch h.Typeflag {
		case tar.TypeReg:
			if f.Data, err = io.ReadAll(t); err != nil {
				return nil, fmt.Errorf("%w: configuration: %w", ErrSnapshot, err)
			}
		case tar.TypeDir:
			f.Mode |= fs.ModeDir
		case tar.TypeSymlink:
			f.Mode |= fs.ModeSymlink
			f.Data = []byte(h.Linkname)
			bad = bad || filepath.IsAbs(h.Linkname) || !filepath.IsLocal(filepath.Join(filepath.Dir(f.Path), h.Linkname))
		default:
			bad = true
		}
		// Nothing may lie behind a link: where that leads is only known on the disk.
		for dir := f.Path; !bad && dir != "."; dir = path.Dir(dir) {
			bad = links[dir]
		}
		links[f.Path] = f.Mode&fs.ModeSymlink != 0
		if bad {
			return nil, fmt.Errorf("%w: %q has no place in a configuration", ErrSnapshot, h.Name)
		}
		out = append(out, f)
	}
}
