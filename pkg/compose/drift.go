package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// State is how a rendered file on disk relates to what would be rendered now.
type State string

const (
	Current  State = "current"  // as it would be rendered
	Missing  State = "missing"  // not there
	Outdated State = "outdated" // as regctl wrote it, but regctl.yaml or regctl changed since
	Edited   State = "edited"   // changed by hand since regctl wrote it
	Foreign  State = "foreign"  // there, but regctl never wrote it
)

// Drift is the state of one rendered file.
type Drift struct {
	Path  string
	State State
	Mode  bool   // also (or only) its permissions differ
	Diff  string // unified, from disk to rendering; "" when Current or Missing; secrets are not shown
}

// Changes tells whether writing would change the file.
func (d Drift) Changes() bool { return d.State != Current || d.Mode }

// ByHand tells whether writing would lose what somebody else wrote.
func (d Drift) ByHand() bool { return d.State == Edited || d.State == Foreign }

// record remembers what was written: for each path the sums of the contents
// that are ours. There are two while a write is under way, so that a kill
// between recording and writing makes neither the old nor the new file look
// edited.
type record struct {
	Version int                 `json:"version"`
	Files   map[string][]string `json:"files"`
}

// Compare tells for each file how the one on disk differs. It changes nothing.
func (l Layout) Compare(files []File) ([]Drift, error) {
	rec, err := l.readRecord()
	if err != nil {
		return nil, err
	}
	var out []Drift
	for _, f := range files {
		d, err := l.compare(f, rec.Files[f.Path])
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (l Layout) compare(f File, ours []string) (Drift, error) {
	d := Drift{Path: f.Path}
	path := l.Path(f.Path)
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.State = Missing
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if !fi.Mode().IsRegular() {
		return d, advice.With(fmt.Errorf("%s is not a regular file", path),
			"move it out of the way; regctl render writes the file that belongs there")
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	d.Mode = fi.Mode().Perm() != f.Mode
	switch {
	case string(disk) == string(f.Data):
		d.State = Current
		return d, nil
	case ours == nil:
		d.State = Foreign
	case slices.Contains(ours, sum(disk)):
		d.State = Outdated
	default:
		d.State = Edited
	}
	from, to := disk, f.Data
	if f.Secret {
		from, to = mask(from), mask(to)
	}
	d.Diff = string(diff.Diff(f.Path, from, f.Path+" (as it would be rendered)", to))
	if d.Diff == "" {
		d.Diff = "only values that are not shown differ\n"
	}
	return d, nil
}

// Write writes the files whose state is not Current. It does not ask about
// files edited by hand: callers look at Compare first. With keep, such a file is
// copied beside itself first; the copies' paths are returned.
func (l Layout) Write(files []File, drift []Drift, keep bool) (kept []string, err error) {
	rec, err := l.readRecord()
	if err != nil {
		return nil, err
	}
	changed := false
	for i, f := range files {
		if known := rec.Files[f.Path]; !slices.Contains(known, sum(f.Data)) || len(known) > 1 {
			rec.Files[f.Path] = append(slices.Clone(known), sum(f.Data))
			changed = true
		}
		if keep && drift[i].ByHand() {
			copied, err := l.keepCopy(f.Path)
			if err != nil {
				return kept, err
			}
			kept = append(kept, copied)
		}
	}
	if changed {
		if err := l.writeRecord(rec); err != nil {
			return kept, err
		}
	}
	for i, f := range files {
		if !drift[i].Changes() {
			continue
		}
		if err := durable.MkdirAll(filepath.Dir(l.Path(f.Path)), 0o755); err != nil {
			return kept, err
		}
		if err := durable.WriteFile(l.Path(f.Path), f.Data, f.Mode); err != nil {
			return kept, err
		}
	}
	if changed {
		for _, f := range files {
			rec.Files[f.Path] = []string{sum(f.Data)}
		}
		return kept, l.writeRecord(rec)
	}
	return kept, nil
}

// keepCopy copies a file beside itself as NAME.edited, NAME.edited-2, …
func (l Layout) keepCopy(name string) (string, error) {
	data, err := os.ReadFile(l.Path(name))
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		copied := name + ".edited"
		if n > 1 {
			copied = fmt.Sprintf("%s-%d", copied, n)
		}
		err := durable.CreateFile(l.Path(copied), data, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return copied, err
		}
		if same, _ := os.ReadFile(l.Path(copied)); string(same) == string(data) {
			return copied, nil // kept already, by a run that was killed
		}
	}
}

func (l Layout) readRecord() (record, error) {
	rec := record{Version: 1, Files: map[string][]string{}}
	data, err := os.ReadFile(l.recordPath())
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, advice.With(fmt.Errorf("%s is damaged: %w", l.recordPath(), err),
			"remove it; regctl then takes rendered files that differ for another's and asks before it replaces them")
	}
	if rec.Files == nil {
		rec.Files = map[string][]string{}
	}
	return rec, nil
}

func (l Layout) writeRecord(rec record) error {
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(l.recordPath()), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(l.recordPath(), append(data, '\n'), 0o600)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
