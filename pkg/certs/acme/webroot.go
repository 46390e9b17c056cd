package acme

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// Webroot answers http-01 with files below a directory that a web server serves.
type Webroot struct{ Dir string }

// ChallengePath is where a CA asks for a token, with a slash at both ends.
const ChallengePath = "/.well-known/acme-challenge/"

func (w Webroot) challengeDir() string {
	return filepath.Join(w.Dir, filepath.FromSlash(ChallengePath))
}

// tokenForm is base64url, of which tokens are (RFC 8555, 8.3): no slash, no dot.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// Put lays an answer where the CA will look for it. The web server's worker is
// another user, so everybody may read it, whatever the umask; there is no secret
// in it.
func (w Webroot) Put(token, answer string) error {
	if !tokenForm.MatchString(token) {
		return fmt.Errorf("%q is no token of a challenge", oneLine(token))
	}
	if err := durable.MkdirAll(w.challengeDir(), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(w.challengeDir(), token), []byte(answer), 0o644)
}

// Remove takes an answer away; one that is not there is none.
func (w Webroot) Remove(token string) error {
	if !tokenForm.MatchString(token) {
		return nil
	}
	err := os.Remove(filepath.Join(w.challengeDir(), token))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep removes the answers that a killed run left behind. Nobody else may be
// issuing meanwhile.
func (w Webroot) Sweep() error {
	entries, err := os.ReadDir(w.challengeDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if tokenForm.MatchString(e.Name()) && e.Type().IsRegular() {
			errs = append(errs, w.Remove(e.Name()))
		}
	}
	errs = append(errs, durable.Sweep(w.challengeDir(), 0))
	return errors.Join(errs...)
}

// remember notes what the directories of answers look like, so that back can make
// them look so again: a rehearsal leaves no trace, not even a time.
func (w Webroot) remember() (back func() error) {
	type look struct {
		dir   string
		there bool
		at    time.Time
	}
	var looks []look
	for dir := w.challengeDir(); ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		l := look{dir: dir, there: err == nil}
		if err == nil {
			l.at = fi.ModTime()
		}
		looks = append(looks, l)
		if dir == filepath.Clean(w.Dir) || dir == filepath.Dir(dir) {
			break
		}
	}
	return func() error {
		var errs []error
		for _, l := range looks {
			var err error
			if l.there {
				err = os.Chtimes(l.dir, time.Time{}, l.at)
			} else {
				err = os.Remove(l.dir)
			}
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
}

// webrootSolver is lego's challenge.Provider over a Webroot.
type webrootSolver struct {
	Webroot
	log func(string, ...any)

	mu   sync.Mutex
	put  map[string]bool
	done bool // nothing may be put up any more
	err  error
}

func (s *webrootSolver) Present(domain, token, answer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return errors.New("given up meanwhile")
	}
	s.log("proving %s by http-01", domain)
	if err := s.Put(token, answer); err != nil {
		s.err = err
		return err
	}
	s.put[token] = true
	return nil
}

func (s *webrootSolver) CleanUp(_, token, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.put, token)
	return s.Remove(token)
}

// close takes away whatever is still there and lets nothing follow.
func (s *webrootSolver) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	var errs []error
	for token := range s.put {
		errs = append(errs, s.Remove(token))
	}
	return errors.Join(errs...)
}
