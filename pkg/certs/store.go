package certs

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// The names are certbot's, so that what reads its directories reads these.
const (
	fullchainFile = "fullchain.pem"
	keyFile       = "privkey.pem"
	certFile      = "cert.pem"
	chainFile     = "chain.pem"
)

// ErrNone says that nothing is stored under a name.
var ErrNone = errors.New("no certificate yet")

// Store is the directory of certificates that the front door serves. Callers
// that change it hold the deployment's lock; reading needs none.
type Store struct{ Dir string }

// LiveDir is where name's fullchain.pem and privkey.pem are to be read.
func (s Store) LiveDir(name string) string { return filepath.Join(s.Dir, "live", name) }

func (s Store) archiveDir(name string) string { return filepath.Join(s.Dir, "archive", name) }

// Install makes p what is served under name, a host name or an IP address, and
// says whether that changed anything: the same pair again does not. It refuses
// a pair that Check faults for reasons other than names and dates, with the
// same *InvalidError. A run that was killed leaves the old pair live, or the
// new one; what else it left, the next Install removes.
//
// Only the certificates and the key are taken over, not what else the texts
// hold. chain.pem is empty when the leaf comes alone.
func (s Store) Install(name string, p Pair) (changed bool, err error) {
	files, err := s.filesOf(name, p)
	if err != nil {
		return false, err
	}
	if err := s.sweep(name); err != nil {
		return false, err
	}
	if s.holds(name, files) {
		return false, nil
	}
	link := s.LiveDir(name)
	if fi, err := os.Lstat(link); err == nil && fi.Mode().Type() != fs.ModeSymlink {
		return false, advice.With(fmt.Errorf("%s exists and is not a symbolic link", link), "move it away, then run regctl up")
	}
	if err := s.prune(name); err != nil {
		return false, err
	}
	n, err := s.archive(name, files)
	if err != nil {
		return false, err
	}
	return true, s.swap(name, strconv.Itoa(n))
}

// Has says whether Install would change nothing. Its errors are Install's for a
// pair or name that it refuses.
func (s Store) Has(name string, p Pair) (bool, error) {
	files, err := s.filesOf(name, p)
	if err != nil {
		return false, err
	}
	return s.holds(name, files), nil
}

// Live reads the pair that is to be served under name: both files from one
// directory of the archive, so they belong together also while Install runs.
// The error is ErrNone (wrapped) when there is none, wraps fs.ErrNotExist when
// files are missing from it, and is an *InvalidError (wrapped) when they are
// damaged.
func (s Store) Live(name string) (Pair, Leaf, error) {
	if err := checkName(name); err != nil {
		return Pair{}, Leaf{}, err
	}
	link := s.LiveDir(name)
	if _, err := os.Lstat(link); errors.Is(err, fs.ErrNotExist) {
		return Pair{}, Leaf{}, fmt.Errorf("%s: %w", name, ErrNone)
	}
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return Pair{}, Leaf{}, err
	}
	p, err := LoadFiles(filepath.Join(dir, fullchainFile), filepath.Join(dir, keyFile))
	if err != nil {
		return Pair{}, Leaf{}, err
	}
	m, report := p.examine()
	if err := report.Err(); err != nil {
		return Pair{}, Leaf{}, fmt.Errorf("%s: %w", dir, err)
	}
	return p, leafOf(m.leaf()), nil
}

// file is one of a pair's files.
type file struct {
	name string
	data []byte
	mode fs.FileMode
}

// filesOf lists what to store for p, the key last: a directory with a key in it
// is complete.
func (s Store) filesOf(name string, p Pair) ([]file, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	m, report := p.examine()
	if err := report.Err(); err != nil {
		return nil, err
	}
	p = m.pair()
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.leaf().Raw})
	return []file{
		{fullchainFile, p.Fullchain, 0o644},
		{certFile, leaf, 0o644},
		{chainFile, p.Fullchain[len(leaf):], 0o644},
		{keyFile, p.Key, 0o600},
	}, nil
}

// holds says whether the live directory has exactly these files' contents.
func (s Store) holds(name string, files []file) bool {
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(s.LiveDir(name), f.name))
		if err != nil || !bytes.Equal(have, f.data) {
			return false
		}
	}
	return true
}

// archive stores files as the next of name's pairs and returns its number. The
// directory appears complete, by a rename.
func (s Store) archive(name string, files []file) (int, error) {
	numbers, err := s.numbers(name)
	if err != nil {
		return 0, err
	}
	n := 1
	if len(numbers) > 0 {
		n = numbers[len(numbers)-1] + 1
	}
	tmp, err := s.stage(name, files)
	if err != nil {
		return 0, errors.Join(err, os.RemoveAll(tmp))
	}
	return n, durable.Rename(tmp, filepath.Join(s.archiveDir(name), strconv.Itoa(n)))
}

// stage writes files into a temporary directory beside name's pairs.
func (s Store) stage(name string, files []file) (tmp string, err error) {
	tmp = filepath.Join(s.archiveDir(name), durable.TempPrefix+"pair")
	if err := durable.MkdirAll(tmp, 0o755); err != nil {
		return tmp, err
	}
	for _, f := range files {
		if err := durable.WriteFile(filepath.Join(tmp, f.name), f.data, f.mode); err != nil {
			return tmp, err
		}
	}
	return tmp, nil
}

// swap makes the pair of that label the live one. The link is relative: the
// directory has another path inside Nginx's container.
func (s Store) swap(name, label string) error {
	if err := durable.MkdirAll(filepath.Join(s.Dir, "live"), 0o755); err != nil {
		return err
	}
	return durable.Symlink(filepath.Join("..", "archive", name, label), s.LiveDir(name))
}

// checkName keeps a name from leaving its directory or meaning something to a
// shell. A colon is allowed in an IPv6 address only: the directory is named as
// the registry is. No registry is named by a wildcard.
func checkName(name string) error {
	if ip, err := netip.ParseAddr(name); err == nil && ip.Zone() == "" {
		return nil
	}
	ok := len(name) > 0 && len(name) <= 253 && name[0] != '.' && name[0] != '-'
	for i := 0; i < len(name) && ok; i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
	}
	if !ok {
		return fmt.Errorf("%q is neither a host name in lower case nor an IP address", name)
	}
	return nil
}
