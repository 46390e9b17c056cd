package certs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/regctl/regctl/pkg/durable"
)

// keep is how many pairs of one name stay in the archive before a new one is
// added: enough to go back to by hand (point the link at it, reload), and for a
// reader that resolved the link just before to finish.
const keep = 2

// numbers lists name's archived pairs in ascending order. What is not named
// like one is not ours.
func (s Store) numbers(name string) ([]int, error) {
	entries, err := os.ReadDir(s.archiveDir(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && strconv.Itoa(n) == e.Name() && e.IsDir() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// prune removes old pairs, never the live one. It runs before a new pair is
// written, so that its failure changes nothing about what is served.
func (s Store) prune(name string) error {
	numbers, err := s.numbers(name)
	if err != nil || len(numbers) <= keep {
		return err
	}
	live, err := os.Stat(s.LiveDir(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, n := range numbers[:len(numbers)-keep] {
		dir := filepath.Join(s.archiveDir(name), strconv.Itoa(n))
		fi, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if live != nil && os.SameFile(fi, live) {
			continue
		}
		// Renamed first: one that is killed half-way is then known for a
		// left-over, and never taken for a pair.
		gone := filepath.Join(s.archiveDir(name), durable.TempPrefix+"old-"+strconv.Itoa(n))
		if err := os.Rename(dir, gone); err != nil {
			return err
		}
		if err := os.RemoveAll(gone); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what a killed run left beside name's pairs and the live links.
// The deployment's lock is held, so nobody is still writing them.
func (s Store) sweep(name string) error {
	for _, dir := range []string{s.archiveDir(name), filepath.Join(s.Dir, "live")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), durable.TempPrefix) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
