package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
)

// journal lets an unfinished init be taken back, by itself when it fails and by
// the next one when it was killed. It is written before anything it lists
// exists. regctl.yaml is what makes a deployment: init moves an old one away
// first and writes the new one last, and taking back puts the old one back last.
// So a journal beside that file belongs to an init that was done, or that had
// not begun.
type journal struct {
	layout compose.Layout

	// Created lists, relative to the deployment directory, what was not there
	// before: files and whole directories.
	Created []string `json:"created"`
	// Moved maps what was there before to where it was moved.
	Moved map[string]string `json:"moved,omitempty"`
}

const journalFile = compose.StateDir + "/init.json"

// begin writes the journal: created are the names that init is going to make,
// those that exist are left out; moved are files to be moved away first.
func begin(l compose.Layout, created []string, moved map[string]string) (*journal, error) {
	j := &journal{layout: l, Moved: moved}
	for _, name := range created {
		_, gone := moved[name]
		if _, err := os.Lstat(l.Path(name)); errors.Is(err, fs.ErrNotExist) || gone {
			j.Created = append(j.Created, name)
		} else if err != nil {
			return nil, err
		}
	}
	data, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(l.Path(journalFile), data, 0o600); err != nil {
		return nil, err
	}
	for _, from := range j.moves() {
		if err := durable.Rename(l.Path(from), l.Path(moved[from])); err != nil {
			return j, err
		}
	}
	return j, nil
}

// moves lists what is to be moved, in order.
func (j *journal) moves() []string {
	names := sortedKeys(j.Moved)
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a == b || a != compose.ConfigFile && b != compose.ConfigFile:
			return 0
		case a == compose.ConfigFile:
			return -1
		}
		return 1
	})
	return names
}

// unfinished returns the journal of an init that was killed, or nil.
func unfinished(l compose.Layout) (*journal, error) {
	data, err := os.ReadFile(l.Path(journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := &journal{layout: l}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, advice.With(fmt.Errorf("%s is damaged: %w", l.Path(journalFile), err),
			"look through %s for what an init that was interrupted left there, then remove that file", l.Dir)
	}
	return j, nil
}

// undo takes back what was made and moves back what was moved away. Killed on
// the way it can be begun again: a file that is no longer where it was moved to
// is back already, or never left.
func (j *journal) undo() error {
	var errs []error
	for _, name := range slices.Backward(j.Created) {
		if _, old := j.Moved[name]; !old {
			errs = append(errs, os.RemoveAll(j.layout.Path(name)))
		}
	}
	for _, from := range slices.Backward(j.moves()) {
		path, aside := j.layout.Path(from), j.layout.Path(j.Moved[from])
		if !exists(aside) {
			continue
		}
		err := os.RemoveAll(path)
		if err == nil {
			err = durable.Rename(aside, path)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return j.done()
}

// settle drops the journal of an init that was killed after it was done. The
// lock is held. Left there it would take the deployment back, should its
// regctl.yaml ever be missing.
func settle(l compose.Layout) error {
	if !exists(l.Path(compose.ConfigFile)) || !exists(l.Path(journalFile)) {
		return nil
	}
	return os.Remove(l.Path(journalFile))
}

// done removes the journal.
func (j *journal) done() error { return os.Remove(j.layout.Path(journalFile)) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
