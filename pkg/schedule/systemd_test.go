package schedule

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// systemctl is a program of that name that keeps what is enabled and what runs
// in files, and each call in a list. A real one needs a host that it started.
const systemctl = `#!/bin/sh
cd "$SYSTEMCTL_STATE" || exit 1
shift 2 # --no-ask-password --no-pager
[ ! -e fail ] || { echo "Failed to connect to bus: no" >&2; exit 1; }
[ "$1" = show ] || [ "$1" = list-timers ] || echo "$*" >>calls
verb=$1; shift
case $verb in
show)
	[ "$1" != --property=Version ] || { echo Version=252; exit; }
	[ -e "active.$2" ] && echo ActiveState=active || echo ActiveState=inactive
	[ -L "$SYSTEMCTL_UNITS/timers.target.wants/$2" ] && echo UnitFileState=enabled || echo UnitFileState=disabled
	[ -e "stale.$2" ] && echo NeedDaemonReload=yes || echo NeedDaemonReload=no ;;
list-timers)
	echo '[{"next":1795500000000000,"left":1,"last":0,"passed":0,"unit":"'$3'","activates":"x.service"}]' ;;
daemon-reload) rm -f stale.* ;;
enable) mkdir -p "$SYSTEMCTL_UNITS/timers.target.wants"; for u; do ln -sf "$SYSTEMCTL_UNITS/$u" "$SYSTEMCTL_UNITS/timers.target.wants/$u"; done ;;
restart) for u; do touch "active.$u" "$SYSTEMCTL_STAMPS/stamp-$u"; done ;;
stop) rm -f "active.$1" ;;
reset-failed) echo "Unit $1 not loaded" >&2; exit 1 ;;
*) exit 1 ;;
esac
`

// fakeSystemd is a host that systemd started, as far as regctl can see.
func fakeSystemd(t *testing.T) (d Systemd, state string) {
	t.Helper()
	root := t.TempDir()
	d = Systemd{Units: filepath.Join(root, "system"), Stamps: filepath.Join(root, "stamps"), Booted: filepath.Join(root, "run")}
	state = filepath.Join(root, "state")
	for _, dir := range []string{d.Units, d.Stamps, d.Booted, state, filepath.Join(root, "bin")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PATH": filepath.Join(root, "bin") + ":" + os.Getenv("PATH"), "SYSTEMCTL_STATE": state,
		"SYSTEMCTL_UNITS": d.Units, "SYSTEMCTL_STAMPS": d.Stamps,
	} {
		t.Setenv(name, value)
	}
	return d, state
}

// calls are the calls since the last time that change something.
func calls(t *testing.T, state string) []string {
	t.Helper()
	path := filepath.Join(state, "calls")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// tree lists every file below the directories of units and stamps, with its
// content.
func tree(t *testing.T, d Systemd) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{d.Units, d.Stamps} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			files[path] = e.Type().String()
			if e.Type().IsRegular() {
				data, err := os.ReadFile(path)
				files[path] += string(data)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func look(t *testing.T, d Systemd, s Schedule) State {
	t.Helper()
	st, err := d.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

func TestSystemd(t *testing.T) {
	d, state := fakeSystemd(t)
	ctx, s := t.Context(), odd(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(d.Units, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// What is somebody else's, or another deployment's, stays.
	write("mine.service", "x")
	write("regctl-reg-2_x-mine.service", "by hand")
	other := plain(t)
	other.Project = "reg-2_x-more"
	if err := d.Install(ctx, other); err != nil {
		t.Fatal(err)
	}
	calls(t, state)
	before := tree(t, d)

	if st := look(t, d, s); st.Installed || st.Current || len(st.Have) > 0 || len(st.Want) != 4 || len(st.Problems) != 4 {
		t.Fatalf("before anything: %q", st.Problems)
	}
	if err := d.Install(ctx, s); err != nil {
		t.Fatal(err)
	}
	timers := "regctl-reg-2_x-cert.timer regctl-reg-2_x-gc.timer"
	if got, want := calls(t, state), []string{"daemon-reload", "enable " + timers, "restart " + timers}; !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
	st := look(t, d, s)
	if !st.Installed || !st.Current || len(st.Problems) > 0 || len(st.Have) != 4 {
		t.Fatalf("installed: %q", st.Problems)
	}
	if next := st.Next["gc"]; len(st.Next) != 2 || !next.Equal(time.UnixMicro(1795500000000000)) {
		t.Errorf("next: %v", st.Next)
	}
	installed := tree(t, d)
	if err := d.Install(ctx, s); err != nil {
		t.Fatal(err)
	}
	if got := calls(t, state); got != nil || !same(tree(t, d), installed) {
		t.Errorf("the second time it called %q", got)
	}

	// Whatever is amiss is told, and the next run makes it good.
	timer := "regctl-reg-2_x-cert.timer"
	for name, harm := range map[string]func() error{
		"is not what would be installed": func() error { write(timer, unitMark+"\nchanged"); return nil },
		"is not there":                   func() error { return os.Remove(filepath.Join(d.Units, "regctl-reg-2_x-gc.service")) },
		"is not enabled":                 func() error { return os.Remove(filepath.Join(d.Units, wants, timer)) },
		"does not run":                   func() error { return os.Remove(filepath.Join(state, "active."+timer)) },
		"was changed since systemd read it": func() error {
			return os.WriteFile(filepath.Join(state, "stale.regctl-reg-2_x-gc.service"), nil, 0o644)
		},
		"would not be installed any more": func() error { write("regctl-reg-2_x-old.service", unitMark+"\n"); return nil },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if st := look(t, d, s); st.Current || len(st.Problems) == 0 || !strings.Contains(strings.Join(st.Problems, "\n"), name) {
			t.Errorf("%s: %q", name, st.Problems)
		}
		if err := d.Install(ctx, s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if st := look(t, d, s); !st.Current || !same(tree(t, d), installed) {
			t.Errorf("%s: after another run %q", name, st.Problems)
		}
	}
	calls(t, state)

	if err := d.Remove(ctx, s.Project); err != nil {
		t.Fatal(err)
	}
	got := calls(t, state)
	if got[0] != "stop regctl-reg-2_x-gc.timer" && got[0] != "stop "+timer || got[len(got)-1] != "daemon-reload" {
		t.Errorf("remove called %q", got)
	}
	if after := tree(t, d); !same(after, before) {
		t.Errorf("left after remove: %v\nbefore: %v", after, before)
	}
	if err := d.Remove(ctx, s.Project); err != nil || calls(t, state) != nil {
		t.Errorf("remove where there is nothing: %v", err)
	}
	if err := d.Remove(ctx, other.Project); err != nil {
		t.Fatal(err)
	}
	if left := tree(t, d); len(left) != 4 { // two directories, two files that are not ours
		t.Errorf("left after both: %v", left)
	}
}

func TestSystemdFailures(t *testing.T) {
	d, state := fakeSystemd(t)
	ctx, s := t.Context(), plain(t)
	touch := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch(filepath.Join(state, "fail"))
	if err := d.Install(ctx, s); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "Failed to connect to bus") {
		t.Errorf("no bus: %v", err)
	}
	if files := tree(t, d); len(files) != 2 {
		t.Errorf("no bus, and yet there is %v", files)
	}
	if err := os.Remove(filepath.Join(state, "fail")); err != nil {
		t.Fatal(err)
	}
	if err := d.Install(ctx, s); err != nil {
		t.Fatal(err)
	}
	// Files without a systemd that answers can be seen and taken away.
	touch(filepath.Join(state, "fail"))
	if st := look(t, d, s); !st.Installed || st.Current || !strings.Contains(st.Problems[0], "bus") {
		t.Errorf("no bus any more: %+v", st)
	}
	if err := d.Remove(ctx, s.Project); err != nil {
		t.Error(err)
	}
	if files := tree(t, d); len(files) != 2 {
		t.Errorf("left: %v", files)
	}
	gone := d
	gone.Booted = filepath.Join(state, "nowhere")
	if err := gone.Install(ctx, s); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "systemd does not run here") {
		t.Errorf("not booted: %v", err)
	}
	if err := os.Remove(filepath.Join(state, "fail")); err != nil {
		t.Fatal(err)
	}
	// A unit that is masked, or of a person's own, is in the way.
	service := filepath.Join(d.Units, "regctl-registry-cert.service")
	for name, put := range map[string]func() error{
		"masked":  func() error { return os.Symlink("/dev/null", service) },
		"by hand": func() error { return os.WriteFile(service, []byte("[Service]\n"), 0o644) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		before := tree(t, d)
		if err := d.Install(ctx, s); !errors.Is(err, ErrForeign) || !strings.Contains(advice.Of(err), "--cron") {
			t.Errorf("%s: install: %v", name, err)
		}
		if _, err := d.Look(ctx, s); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: look: %v", name, err)
		}
		if err := d.Remove(ctx, s.Project); err != nil {
			t.Errorf("%s: remove: %v", name, err)
		}
		if !same(tree(t, d), before) {
			t.Errorf("%s: changed to %v", name, tree(t, d))
		}
		if err := os.Remove(service); err != nil {
			t.Fatal(err)
		}
	}
}

// Who may not write units is told the way out.
func TestMayNot(t *testing.T) {
	for err, want := range map[error]string{
		fs.ErrPermission: "sudo regctl schedule",
		syscall.EROFS:    "regctl schedule install --cron",
		syscall.ENOSPC:   "",
	} {
		got := mayNot(&fs.PathError{Op: "open", Path: "/etc/systemd/system/x", Err: err})
		if !errors.Is(got, err) || !strings.Contains(advice.Of(got), want) || want == "" && advice.Of(got) != "" {
			t.Errorf("%v: hint %q", got, advice.Of(got))
		}
	}
	if os.Geteuid() == 0 {
		return // it may write everywhere
	}
	if err := (Systemd{Units: "/"}).mayWrite(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}
