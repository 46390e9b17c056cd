package fsck

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// History is what earlier checks of a storage saw: since when a problem is known,
// and when it was not there yet. It holds nothing that a check needs.
type History struct {
	// Any is when a check ended last, Full when one that hashed every blob did.
	Any  time.Time `json:"any,omitzero"`
	Full time.Time `json:"full,omitzero"`
	// Slices are the same for slices of blobs, by their name.
	Slices map[string]time.Time `json:"slices,omitempty"`
	// Problems are those of damage that are not known to be gone.
	Problems map[string]Seen `json:"problems,omitempty"`
}

// Seen tells of one problem.
type Seen struct {
	First time.Time `json:"first"`
	// Good is when a check that would have seen it did not; zero if there was none.
	Good time.Time `json:"good,omitzero"`
}

// ReadHistory reads a history; where there is none, or none that can be read, it
// is empty.
func ReadHistory(path string) *History {
	h := &History{}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, h) != nil {
		h = &History{}
	}
	if h.Problems == nil {
		h.Problems = map[string]Seen{}
	}
	if h.Slices == nil {
		h.Slices = map[string]time.Time{}
	}
	return h
}

// Write writes it. A directory that is missing or read-only is an error.
func (h *History) Write(path string) error {
	data, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return err
	}
	err = durable.WriteFile(path, append(data, '\n'), 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = durable.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = durable.WriteFile(path, append(data, '\n'), 0o600)
		}
	}
	return err
}

// byHash tells problems that only reading the blob finds.
func byHash(id, path string) bool {
	switch id {
	case BlobCorrupt:
		return true
	case storage.Unreadable:
		return strings.HasPrefix(path, blobsDir+"/") && strings.HasSuffix(path, "/data")
	case string(storage.LinkMismatch):
		return strings.Contains(path, "/"+layersDir+"/") && !strings.Contains(path, "/"+layersDir+"/"+storage.SHA256.String()+"/")
	}
	return false
}

// Add adds a report that was made then, and tells the report what is known of its
// problems.
func (h *History) Add(r *Report, at time.Time) {
	slice, _ := ParseSlice(r.Slice, at)
	now := map[string]Seen{}
	note := func(id, path string, d storage.Digest) Seen {
		key := id + " " + path
		s, known := h.Problems[key]
		if !known {
			s = Seen{First: at, Good: h.Any}
			if byHash(id, path) {
				s.Good = h.hashed(d)
			}
		}
		now[key] = s
		return s
	}
	for i := range r.Problems {
		if p := &r.Problems[i]; p.Severity == Damage {
			s := note(p.ID, p.Path, p.Digest)
			p.FirstSeen, p.LastGood = &s.First, known(s.Good)
		}
	}
	for i := range r.Broken {
		b := &r.Broken[i]
		if s, ok := now[b.ID+" "+b.Path]; ok {
			b.FirstSeen, b.LastGood = &s.First, known(s.Good)
		}
	}
	// What this check could not see may still be so.
	for key, s := range h.Problems {
		id, path, _ := strings.Cut(key, " ")
		d, err := storage.ParseDigest(pathDigest(path))
		if byHash(id, path) && (r.Fast || r.Slice != "" && err == nil && !slice.Has(d)) {
			now[key] = s
		}
	}
	h.Problems, h.Any = now, at
	switch {
	case r.Fast:
	case r.Slice == "":
		h.Full, h.Slices = at, map[string]time.Time{}
	default:
		h.Slices[r.Slice] = at
	}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// hashed is when a blob was compared with its digest last.
func (h *History) hashed(d storage.Digest) time.Time {
	last := h.Full
	for name, at := range h.Slices {
		if s, err := ParseSlice(name, at); err == nil && s.Has(d) && at.After(last) {
			last = at
		}
	}
	return last
}

// pathDigest is the digest of a blob's path, or of a layer's link.
func pathDigest(path string) string {
	dir := filepath.Dir(path)
	above := filepath.Dir(dir)
	if strings.HasPrefix(path, blobsDir+"/") {
		above = filepath.Dir(above)
	}
	return filepath.Base(above) + ":" + filepath.Base(dir)
}
