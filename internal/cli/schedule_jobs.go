package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/cron"
	"github.com/regctl/regctl/pkg/schedule"
)

// scheduled are the commands that can be run at fixed times. Times are a key of
// regctl.yaml, under schedule; further commands are an entry here and a key there.
var scheduled = []struct {
	name  string // the key, and a part of the units' names
	title string
	args  []string
	times func(config.Schedule) string
	idle  bool
	limit time.Duration
}{
	{"cert", "Renew the certificate of the registry", []string{"cert", "renew", "--quiet"},
		func(s config.Schedule) string { return s.Cert }, false, time.Hour},
	{"gc", "Free what nothing in the registry needs", []string{"gc", "--quiet"},
		func(s config.Schedule) string { return s.GC }, true, 12 * time.Hour},
	{"purge", "Empty the trash of the registry's garbage collections", []string{"gc", "purge", "--yes", "--quiet"},
		func(s config.Schedule) string {
			if s.GC == cron.Off {
				return cron.Off
			}
			return s.Purge
		}, true, 12 * time.Hour},
	{"backup", "Back up the registry", []string{"backup", "--quiet"},
		func(s config.Schedule) string { return s.Backup }, true, 24 * time.Hour},
	{"fsck", "Look for damage in the registry", []string{"fsck", "--quiet", "--slice", "today/7"},
		func(s config.Schedule) string { return s.Fsck }, true, 24 * time.Hour},
	{"drill", "Prove that the backup of the registry can be restored", []string{"backup", "drill", "--quiet"},
		func(s config.Schedule) string { return s.Drill }, true, 48 * time.Hour},
	{"prune", "Give up old backups of the registry", []string{"backup", "forget", "--prune", "--quiet"},
		func(s config.Schedule) string { return s.Prune }, true, 24 * time.Hour},
}

// spread is by how much systemd puts each run off at random.
const spread = 5 * time.Minute

// schedule is what is to be run by itself for a deployment.
func (a *App) schedule(d *deployment, binary string) (schedule.Schedule, error) {
	home := cmp.Or(a.Getenv("HOME"), "/")
	if u, err := user.Current(); err == nil { // sudo may leave HOME as it was
		home = u.HomeDir
	}
	s := schedule.Schedule{Project: d.cfg.Project, Dir: d.Dir, Binary: binary, Home: home, Environment: a.jobEnvironment()}
	for _, j := range scheduled {
		when, on, err := cron.Resolve(j.times(d.cfg.Schedule), d.cfg.Project+"\n"+d.cfg.Domain+"\n"+j.name)
		if err != nil {
			return s, fmt.Errorf("schedule.%s %w", j.name, err)
		}
		if on {
			s.Jobs = append(s.Jobs, schedule.Job{Name: j.name, Title: j.title, Args: j.args, When: when, Idle: j.idle, Limit: j.limit, Spread: spread})
		}
	}
	return s, nil
}

// bound are the reasons why scheduled work on backups would fail each time: what
// runs it has nothing of anybody's environment, and nobody to ask.
func bound(c *config.Config) (out []string) {
	on := func(times string) bool { return times != cron.Off }
	b, s := c.Backup, c.Schedule
	for _, j := range []struct {
		key string
		on  bool
	}{{"backup", on(s.Backup)}, {"drill", on(s.Drill)}, {"prune", on(s.Prune)}} {
		switch {
		case !j.on:
		case b.Target == "":
			out = append(out, fmt.Sprintf("schedule.%s is set, and backup.target names no place for backups", j.key))
		case strings.HasPrefix(b.Target, "s3://") && b.Credentials == "":
			out = append(out, fmt.Sprintf("schedule.%s is set, and backup.credentials names no file: what runs it has nothing of this environment", j.key))
		case j.key == "drill" && len(b.Recipients) > 0 && b.Identity == "":
			out = append(out, "schedule.drill is set, and backup.identity names no file: an encrypted backup cannot be restored without it")
		case j.key == "prune" && b.KeepLast+b.KeepDaily+b.KeepWeekly+b.KeepMonthly == 0:
			out = append(out, "schedule.prune is set, and nothing says which backups stay: backup.keep_last, keep_daily, keep_weekly, keep_monthly")
		}
	}
	return out
}

// jobEnvironment is what a command needs of the environment and neither cron nor
// systemd gives it: a PATH that docker is in, and which Engine is meant.
func (a *App) jobEnvironment() []string {
	path := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	if docker, err := exec.LookPath("docker"); err == nil {
		if dir := filepath.Dir(docker); filepath.IsAbs(dir) && !slices.Contains(path, dir) && !strings.Contains(dir, ":") {
			path = append(path, dir)
		}
	}
	env := []string{"PATH=" + strings.Join(path, ":")}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"} {
		if value := a.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// errFleeting says that the program will not be there for long.
var errFleeting = errors.New("lies where files do not last")

// ownBinary is the path of this program, without links.
func ownBinary() (string, error) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", advice.With(fmt.Errorf("this program's own file is gone: %w", err), "run the regctl that is to stay")
	}
	return path, err
}

// lasting refuses a program in a place that is emptied, and which everybody may
// write to.
func lasting(binary string) error {
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", os.TempDir()} {
		if inside, err := filepath.Rel(dir, binary); err == nil && filepath.IsLocal(inside) {
			return advice.With(fmt.Errorf("%s %w", binary, errFleeting), "install -m 755 %s /usr/local/bin/regctl; or add --force", shellWord(binary))
		}
	}
	return nil
}
