// Package schedule has commands run at fixed times, by systemd's timers or by
// cron: what is installed is rendered from a [Schedule], compared with what is
// there, written, and taken away again without a trace.
//
// Nothing in it knows what the commands do. Several deployments on one host are
// kept apart by their project names, which stand in the names of units and in
// the marks around a crontab's block.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/regctl/regctl/pkg/cron"
)

// ErrUnavailable says that what is to run the commands is missing, or refuses.
var ErrUnavailable = errors.New("no scheduler")

// ErrNoCron says that there is no crontab program, and so no crontab of regctl's.
// It wraps [ErrUnavailable].
var ErrNoCron = fmt.Errorf("%w: there is no crontab program", ErrUnavailable)

// ErrForeign says that something regctl did not write is in the way.
var ErrForeign = errors.New("not written by regctl")

// Job is a command to be run at fixed times.
type Job struct {
	Name  string // a-z only: the last part of its units' names
	Title string // what it does, for a person: "renew the certificate"
	Args  []string
	When  cron.Schedule
	Idle  bool // it takes long, and everything else goes first

	// Of systemd's timers alone.
	Limit  time.Duration // a run that takes longer is ended
	Spread time.Duration // each run is put off by up to this, at random
}

// Schedule is what is to be installed for one deployment.
type Schedule struct {
	Project     string   // Compose project
	Dir         string   // deployment directory, an absolute path
	Binary      string   // regctl, an absolute path
	Environment []string // NAME=value, PATH among them
	Home        string   // HOME, which cron sets by itself and systemd does not
	Jobs        []Job
}

// File is something that is, or would be, installed.
type File struct {
	Path    string // of a unit; "crontab" for the block in one
	Content string
}

// State is what was found for a project, beside what would be installed.
type State struct {
	Installed bool // something of this project is there
	Current   bool // all of it is as Install would make it
	Have      []File
	Want      []File
	Problems  []string             // why it is not current, or will not run; one line each
	Next      map[string]time.Time // by the name of the job; only of what is installed
}

// Scheduler is systemd or cron.
type Scheduler interface {
	// Look finds out what is there. It changes nothing.
	Look(ctx context.Context, s Schedule) (State, error)
	// Install makes it as the schedule says, whatever was there before of the
	// project. Where all is so already it changes nothing. Without jobs it removes.
	Install(ctx context.Context, s Schedule) error
	// Remove takes away everything of the project, and nothing else.
	Remove(ctx context.Context, project string) error
}

var (
	projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	jobName     = regexp.MustCompile(`^[a-z]+$`)
)

// check refuses what cannot be written so that systemd and every cron read the
// same out of it.
func (s Schedule) check() error {
	if !projectName.MatchString(s.Project) {
		return fmt.Errorf("the project name %q cannot stand in the name of a unit", s.Project)
	}
	for _, path := range []string{s.Dir, s.Binary, s.Home} {
		if err := writable(path); err != nil {
			return err
		}
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return fmt.Errorf("%q is no absolute path", path)
		}
	}
	// systemd takes no quotes in a program's name; variables it replaces in
	// arguments and not there, so there is no one way to write a $.
	if i := strings.IndexAny(s.Binary, "$\"'"); i >= 0 {
		return fmt.Errorf("%q cannot be run by systemd: it has %q in it", s.Binary, s.Binary[i])
	}
	for _, e := range s.Environment {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fmt.Errorf("%q is no NAME=value", e)
		}
		if err := writable(e); err != nil {
			return err
		}
	}
	var names []string
	for _, j := range s.Jobs {
		if !jobName.MatchString(j.Name) || slices.Contains(names, j.Name) {
			return fmt.Errorf("%q cannot be the name of a job", j.Name)
		}
		names = append(names, j.Name)
		for _, a := range j.Args {
			if err := writable(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// writable refuses text that has no form which is read alike everywhere: crons
// differ in what a backslash does, and systemd reads UTF-8 alone.
func writable(text string) error {
	for _, r := range text {
		switch {
		case r == '\\':
			return fmt.Errorf("%q cannot be put into a crontab: it has a backslash in it", text)
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return fmt.Errorf("%q cannot be put into a crontab or a unit: it has a control character in it", text)
		}
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q cannot be put into a unit: it is not UTF-8", text)
	}
	return nil
}
