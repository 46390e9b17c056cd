package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/regctl/regctl/pkg/durable"
)

// bootstrapDir holds a name's bootstrap pair. It is not one of the numbered ones,
// which were issued by somebody.
const bootstrapDir = "bootstrap"

// InstallBootstrap makes p, which Bootstrap made, what is served under name until
// there is a certificate.
func (s Store) InstallBootstrap(name string, p Pair) error {
	files, err := s.filesOf(name, p)
	if err != nil {
		return err
	}
	if err := s.sweep(name); err != nil {
		return err
	}
	dir := filepath.Join(s.archiveDir(name), bootstrapDir)
	if err := os.RemoveAll(dir); err != nil { // an old one, which nothing leads to or a broken link
		return err
	}
	tmp, err := s.stage(name, files)
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := durable.Rename(tmp, dir); err != nil {
		return err
	}
	return s.swap(name, bootstrapDir)
}

// Current is the label of the pair that is live under name, for GoTo. The error
// is ErrNone (wrapped) when there is none.
func (s Store) Current(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	target, err := os.Readlink(s.LiveDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", name, ErrNone)
	}
	if err != nil {
		return "", err
	}
	label := filepath.Base(target)
	if filepath.Join("..", "archive", name, label) != target || !isLabel(label) {
		return "", fmt.Errorf("%s leads to %s, which is no pair of the archive", s.LiveDir(name), target)
	}
	return label, nil
}

func isLabel(label string) bool {
	n, err := strconv.Atoi(label)
	return label == bootstrapDir || err == nil && n > 0 && strconv.Itoa(n) == label
}

// GoTo makes a pair of name's that Current has told of the live one again. It
// refuses one that is not there whole.
func (s Store) GoTo(name, label string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := s.pairAt(name, label); err != nil {
		return err
	}
	return s.swap(name, label)
}

func (s Store) pairAt(name, label string) (Pair, error) {
	if !isLabel(label) {
		return Pair{}, fmt.Errorf("%q is no pair of %s", label, name)
	}
	dir := filepath.Join(s.archiveDir(name), label)
	p, err := LoadFiles(filepath.Join(dir, fullchainFile), filepath.Join(dir, keyFile))
	if err != nil {
		return Pair{}, err
	}
	if _, report := p.examine(); report.Err() != nil {
		return Pair{}, fmt.Errorf("%s: %w", dir, report.Err())
	}
	return p, nil
}

// Find returns the label of the archived pair whose certificate has that
// fingerprint, "" when there is none that is whole.
func (s Store) Find(name, fingerprint string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	numbers, err := s.numbers(name)
	if err != nil {
		return "", err
	}
	for _, n := range numbers {
		p, err := s.pairAt(name, strconv.Itoa(n))
		if err != nil {
			continue // damaged: not one to go to
		}
		if m, _ := p.examine(); leafOf(m.leaf()).Fingerprint == fingerprint {
			return strconv.Itoa(n), nil
		}
	}
	return "", nil
}

// Last returns the label of the newest archived pair that is whole and that good
// takes, "" when there is none.
func (s Store) Last(name string, good func(Pair) bool) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	numbers, err := s.numbers(name)
	if err != nil {
		return "", err
	}
	for _, n := range slices.Backward(numbers) {
		if p, err := s.pairAt(name, strconv.Itoa(n)); err == nil && good(p) {
			return strconv.Itoa(n), nil
		}
	}
	return "", nil
}

// probeSize is more than any pair takes, in bytes.
const probeSize = 128 << 10

// Probe finds out whether Install could write a pair for name now. A certificate
// that was issued and then cannot be stored is lost, and counts against the CA's
// limits.
func (s Store) Probe(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.sweep(name); err != nil {
		return err
	}
	files := []file{{keyFile, make([]byte, probeSize), 0o600}}
	tmp, err := s.stage(name, files)
	return errors.Join(err, os.RemoveAll(tmp))
}
