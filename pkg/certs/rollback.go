package certs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Current is the number of the pair that is live under name. The error is
// ErrNone (wrapped) when there is none.
func (s Store) Current(name string) (int, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	target, err := os.Readlink(s.LiveDir(name))
	if os.IsNotExist(err) {
		return 0, fmt.Errorf("%s: %w", name, ErrNone)
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(filepath.Base(target))
	if err != nil || filepath.Join("..", "archive", name, strconv.Itoa(n)) != target {
		return 0, fmt.Errorf("%s leads to %s, which is no pair of the archive", s.LiveDir(name), target)
	}
	return n, nil
}

// GoTo makes the n-th pair of name the live one again. It refuses one that is not
// there whole.
func (s Store) GoTo(name string, n int) error {
	if err := checkName(name); err != nil {
		return err
	}
	dir := filepath.Join(s.archiveDir(name), strconv.Itoa(n))
	p, err := LoadFiles(filepath.Join(dir, fullchainFile), filepath.Join(dir, keyFile))
	if err != nil {
		return err
	}
	if _, report := p.examine(); report.Err() != nil {
		return fmt.Errorf("%s: %w", dir, report.Err())
	}
	return s.swap(name, n)
}
