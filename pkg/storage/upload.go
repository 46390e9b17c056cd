package storage

import (
	"errors"
	"io/fs"
	"time"
)

// Upload is a blob that is being sent, or was once.
type Upload struct {
	ID   string
	Path string
	// Started is when it began; zero when that is not told or cannot be read.
	Started time.Time
	// ModTime is the latest time in its directory.
	ModTime time.Time
	// Size is that of what has come.
	Size int64
}

// Uploads are the uploads of the repository, in no order.
func (r *Repository) Uploads() ([]Upload, error) {
	top, err := r.d.open(uploadsDir)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer top.close()
	var out []Upload
	err = top.each(func(name string, typ fs.FileMode) error {
		if !typ.IsDir() {
			r.report(join(top.path, name), typ)
			return nil
		}
		u, err := upload(top, name)
		if absent(err) {
			return nil
		}
		out = append(out, u)
		return err
	})
	return out, err
}

func upload(top *dir, id string) (Upload, error) {
	u := Upload{ID: id, Path: join(top.path, id)}
	own, err := top.stat(id)
	if err != nil {
		return u, err
	}
	u.ModTime = own.ModTime
	var buf [linkMost]byte
	content, info, err := top.read(id+"/startedat", buf[:])
	switch {
	case err == nil:
		if at, err := time.Parse(time.RFC3339, string(content)); err == nil {
			u.Started = at
		}
		u.ModTime = later(u.ModTime, info.ModTime)
	case !absent(err) && !errors.Is(err, ErrTooLarge):
		return u, err
	}
	for _, name := range []string{"data", "hashstates"} {
		info, err := top.stat(id + "/" + name)
		if absent(err) {
			continue
		}
		if err != nil {
			return u, err
		}
		u.ModTime = later(u.ModTime, info.ModTime)
		if name == "data" {
			u.Size = info.Size
		}
	}
	return u, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
