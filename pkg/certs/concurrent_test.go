package certs

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Whoever resolves the link once and reads both files there gets a pair, at any
// instant of two hundred installs.
func TestReadersNeverSeeAMismatch(t *testing.T) {
	s := newStore(t)
	pairs := []Pair{goodPair(t, host), goodPair(t, host)}
	mustInstall(t, s, host, pairs[0], true)
	var done atomic.Bool
	var reads [2]int
	var wg sync.WaitGroup
	reader := func(i int, read func() (cert, key []byte, err error)) {
		wg.Go(func() {
			for !done.Load() {
				cert, key, err := read()
				if errors.Is(err, fs.ErrNotExist) {
					// Outrun by three installs between two steps; a real
					// reader has months.
					continue
				}
				if err == nil {
					_, err = tls.X509KeyPair(cert, key)
				}
				if err != nil {
					t.Error(err)
					return
				}
				reads[i]++
			}
		})
	}
	reader(0, func() (cert, key []byte, err error) {
		dir, err := filepath.EvalSymlinks(s.LiveDir(host))
		if err != nil {
			return nil, nil, err
		}
		if cert, err = os.ReadFile(filepath.Join(dir, fullchainFile)); err != nil {
			return nil, nil, err
		}
		key, err = os.ReadFile(filepath.Join(dir, keyFile))
		return cert, key, err
	})
	reader(1, func() (cert, key []byte, err error) {
		p, _, err := s.Live(host)
		if errors.Is(err, ErrNone) {
			return nil, nil, fmt.Errorf("the link was gone: %v", err)
		}
		return p.Fullchain, p.Key, err
	})
	for i := range 200 {
		mustInstall(t, s, host, pairs[(i+1)%2], true)
	}
	done.Store(true)
	wg.Wait()
	if reads[0] < 20 || reads[1] < 20 {
		t.Errorf("only %d and %d reads: that proves nothing", reads[0], reads[1])
	}
}

// A process that polls every file with key material sees mode 0600 and nothing
// else, also of temporary files.
func TestKeysAreNeverReadableByOthers(t *testing.T) {
	l := newLocalCA(t)
	root := filepath.Dir(l.Store.Dir)
	var done atomic.Bool
	var seen atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // removed or renamed while we looked
				}
				if err != nil {
					return err
				}
				if d.IsDir() || d.Type() == fs.ModeSymlink {
					return nil
				}
				// The mode first, of the very file whose content then is
				// read: opened later it may have become another.
				f, err := os.Open(p)
				if err != nil {
					return nil
				}
				defer f.Close()
				fi, err := f.Stat()
				if err != nil {
					return err
				}
				head, _ := bufio.NewReader(f).ReadString('\n')
				if !strings.Contains(head, "PRIVATE KEY") && filepath.Base(p) != keyFile {
					return nil
				}
				seen.Add(1)
				if fi.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %04o", p, fi.Mode().Perm())
				}
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	pairs := []Pair{goodPair(t, host), goodPair(t, host)}
	for i := range 200 {
		mustInstall(t, l.Store, host, pairs[i%2], true)
		if i%10 != 0 {
			continue
		}
		p, err := l.PlanNew([]string{"localhost"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Apply(p); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	wg.Wait()
	if n := seen.Load(); n < 100 {
		t.Errorf("only %d looks at a key: that proves nothing", n)
	}
	noTemp(t, l.Store.Dir)
}
