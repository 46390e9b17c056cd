package schedule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// Systemd is the system's systemd: units of root's.
type Systemd struct {
	Units  string // directory of the administrator's units: /etc/systemd/system
	Stamps string // where timers remember when they last ran: /var/lib/systemd/timers
	Booted string // a directory that is there where systemd runs: /run/systemd/system
}

// System is the systemd of this host.
func System() Systemd {
	return Systemd{Units: "/etc/systemd/system", Stamps: "/var/lib/systemd/timers", Booted: "/run/systemd/system"}
}

// wants is where systemd keeps what is enabled for timers.target.
const wants = "timers.target.wants"

// Available tells whether systemd runs here and answers, as sd_booted(3) does
// and then by a question. The error, which wraps [ErrUnavailable], says why not.
func (d Systemd) Available(ctx context.Context) error {
	if fi, err := os.Stat(d.Booted); err != nil || !fi.IsDir() {
		return fmt.Errorf("%w: systemd does not run here", ErrUnavailable)
	}
	_, err := d.systemctl(ctx, "show", "--property=Version")
	return err
}

// Look finds out which units are there and whether their timers run. Without a
// systemd that answers it looks at the files alone.
func (d Systemd) Look(ctx context.Context, s Schedule) (State, error) {
	names, want, err := s.units()
	if err != nil {
		return State{}, err
	}
	st := State{Current: true, Next: map[string]time.Time{}}
	problem := func(format string, args ...any) {
		st.Current = false
		st.Problems = append(st.Problems, fmt.Sprintf(format, args...))
	}
	have, err := d.have(s.Project)
	if err != nil {
		return st, err
	}
	st.Installed = len(have) > 0
	running := d.Available(ctx)
	for _, name := range names {
		path := filepath.Join(d.Units, name)
		st.Want = append(st.Want, File{path, want[name]})
		text, there, err := d.read(name)
		switch {
		case err != nil:
			return st, err
		case !there:
			problem("%s is not there", path)
			continue
		case text != want[name]:
			problem("%s is not what would be installed", path)
		}
		if running != nil {
			continue
		}
		job, isTimer := strings.CutSuffix(name, ".timer")
		t, err := d.unit(ctx, name)
		switch {
		case err != nil:
			return st, err
		case t.stale:
			problem("%s was changed since systemd read it", path)
		case !isTimer:
		case !t.enabled:
			problem("%s is not enabled: it does not come back after a start of the host", name)
		case !t.active:
			problem("%s does not run", name)
		default:
			st.Next[strings.TrimPrefix(job, unitName(s.Project, ""))] = t.next
		}
	}
	for _, name := range have {
		if _, ok := want[name]; !ok {
			problem("%s would not be installed any more", filepath.Join(d.Units, name))
		}
		text, _, err := d.read(name)
		if err != nil {
			return st, err
		}
		st.Have = append(st.Have, File{filepath.Join(d.Units, name), text})
	}
	if running != nil && st.Installed {
		problem("%v", running)
	}
	return st, nil
}

// Install writes the units, has systemd read them and starts the timers. It can
// be killed at any instant and run again.
func (d Systemd) Install(ctx context.Context, s Schedule) error {
	names, want, err := s.units()
	if err != nil {
		return err
	}
	if err := d.Available(ctx); err != nil {
		return advice.With(err, "use cron: regctl schedule install --cron")
	}
	have, err := d.have(s.Project)
	if err != nil {
		return err
	}
	var old []string
	for _, name := range have {
		if _, ok := want[name]; !ok {
			old = append(old, name)
		}
	}
	changed, err := d.remove(ctx, old)
	if err != nil {
		return err
	}
	for _, name := range names {
		text, there, err := d.read(name)
		if err != nil {
			return err
		}
		if there && text == want[name] {
			continue
		}
		if err := durable.WriteFile(filepath.Join(d.Units, name), []byte(want[name]), 0o644); err != nil {
			return mayNot(err)
		}
		changed = true
	}
	var timers []string
	for _, name := range names {
		u, err := d.unit(ctx, name)
		if err != nil {
			return err
		}
		changed = changed || u.stale
		if strings.HasSuffix(name, ".timer") {
			timers = append(timers, name)
			changed = changed || !u.enabled || !u.active
		}
	}
	if !changed {
		return nil
	}
	if len(timers) == 0 {
		_, err := d.systemctl(ctx, "daemon-reload")
		return err
	}
	for _, call := range [][]string{{"daemon-reload"}, append([]string{"enable"}, timers...), append([]string{"restart"}, timers...)} {
		if _, err := d.systemctl(ctx, call...); err != nil {
			return err
		}
	}
	return nil
}

// Remove stops the timers and takes the units away. A command that runs at the
// moment is left to end.
func (d Systemd) Remove(ctx context.Context, project string) error {
	have, err := d.have(project)
	if err != nil {
		return err
	}
	if removed, err := d.remove(ctx, have); err != nil || !removed {
		return err
	}
	if d.Available(ctx) != nil {
		return nil // nothing knows them
	}
	_, err = d.systemctl(ctx, "daemon-reload")
	return err
}

// remove takes units away, timers first.
func (d Systemd) remove(ctx context.Context, names []string) (removed bool, err error) {
	running := d.Available(ctx) == nil
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(filepath.Ext(b), filepath.Ext(a)) })
	for _, name := range names {
		if err := d.mayWrite(); err != nil {
			return removed, mayNot(err)
		}
		if filepath.Ext(name) == ".timer" && running {
			if _, err := d.systemctl(ctx, "stop", name); err != nil {
				return removed, err
			}
		}
		for _, path := range []string{filepath.Join(d.Units, wants, name), filepath.Join(d.Stamps, "stamp-"+name), filepath.Join(d.Units, name)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return removed, mayNot(err)
			}
		}
		// It fails where the unit never failed.
		if running && filepath.Ext(name) == ".service" {
			_, _ = d.systemctl(ctx, "reset-failed", name)
		}
		removed = true
	}
	if removed {
		// Gone where it was made for these; it stays where there is more in it.
		_ = os.Remove(filepath.Join(d.Units, wants))
		return true, durable.SyncDir(d.Units)
	}
	return false, nil
}

// mayWrite finds out, before anything is stopped, whether files can be removed.
func (d Systemd) mayWrite() error {
	const writing = 2 // W_OK
	if err := syscall.Access(d.Units, writing); err != nil {
		return &fs.PathError{Op: "write", Path: d.Units, Err: err}
	}
	return nil
}

// have lists the units of a project: those with its name that begin with
// regctl's mark. The job's name has no hyphen, so those of a project whose name
// begins in the same way are not among them.
func (d Systemd) have(project string) ([]string, error) {
	entries, err := os.ReadDir(d.Units)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ours := regexp.MustCompile(`^regctl-` + regexp.QuoteMeta(project) + `-[a-z]+\.(service|timer)$`)
	var names []string
	for _, e := range entries {
		if !ours.MatchString(e.Name()) {
			continue
		}
		if _, _, err := d.read(e.Name()); err == nil {
			names = append(names, e.Name())
		} else if !errors.Is(err, ErrForeign) {
			return nil, err
		}
	}
	return names, nil
}

// read reads a unit of ours. What has its name and is not ours, a link to
// /dev/null that masks it among that, is an error.
func (d Systemd) read(name string) (text string, there bool, err error) {
	path := filepath.Join(d.Units, name)
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if fi.Mode().IsRegular() {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", false, err
		}
		if strings.HasPrefix(string(data), unitMark+"\n") {
			return string(data), true, nil
		}
	}
	return "", false, advice.With(fmt.Errorf("%s is %w", path, ErrForeign), "move it out of the way, or use cron: regctl schedule install --cron")
}

// mayNot adds the way out for who may not write there.
func mayNot(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return advice.With(err, "sudo regctl schedule …; or use your own crontab: regctl schedule install --cron")
	case errors.Is(err, syscall.EROFS):
		return advice.With(err, "use cron: regctl schedule install --cron")
	}
	return err
}
