package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/doctor"
)

// fix mends what can be mended safely, and says so. It holds the deployment's
// lock, but for the schedule, which is not in the deployment.
func (v *visit) fix(ctx context.Context, f *doctor.Facts) ([]doctorFix, error) {
	fixes := []doctorFix{}
	do := func(what string, work func() error) {
		x := doctorFix{What: what}
		if !v.app.dryRun {
			if err := work(); err != nil {
				x.Error = err.Error()
			}
		}
		fixes = append(fixes, x)
	}
	wanted := map[string]bool{}
	for _, found := range doctor.Examine(f) {
		wanted[found.ID] = found.Fixable
	}
	if wanted["RC080"] || wanted["RC081"] || wanted["RC110"] || wanted["RC112"] {
		if !v.app.dryRun {
			// Taking it sweeps what writes that were killed have left.
			held, err := lockDeployment(ctx, v.l, "doctor --fix")
			if err != nil {
				return nil, err
			}
			defer held.Release()
		}
		for _, x := range f.Files {
			v.fixFile(x, do)
		}
		if wanted["RC112"] {
			do("remove "+count(len(f.Temporary), "file")+" of writes that were killed", func() error { return sweep(v.l) })
		}
		if wanted["RC110"] {
			do("remove "+count(len(f.Containers), "container")+" of runs that were killed", func() error { return v.fixContainers(ctx) })
		}
	}
	if wanted["RC115"] {
		do("remove what drills that were killed have left", func() error { return v.fixDrill(ctx) })
	}
	if wanted["RC056"] && f.Schedule.Wanted > 0 || wanted["RC100"] {
		do("install what is to run by itself", func() error { return v.fixSchedule(ctx) })
	}
	return fixes, nil
}

func (v *visit) fixFile(x doctor.File, do func(string, func() error)) {
	path := v.l.Path(x.Path)
	// Never through a link: what it names is not ours.
	regular := func() error {
		fi, err := os.Lstat(path)
		if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			err = errors.New("it is a symbolic link by now")
		}
		return err
	}
	if x.Error != "" {
		return
	}
	if x.Mode&^x.Most != 0 {
		do(fmt.Sprintf("chmod %04o %s", x.Mode&x.Most, x.Path), func() error {
			if err := regular(); err != nil {
				return err
			}
			return os.Chmod(path, fs.FileMode(x.Mode&x.Most))
		})
	}
	if x.UID != x.Owner {
		do(fmt.Sprintf("chown %d %s", x.Owner, x.Path), func() error { return os.Lchown(path, x.Owner, -1) })
	}
}

func (v *visit) fixContainers(ctx context.Context) error {
	e, err := v.app.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	return e.SweepOneOffs(ctx, v.d.cfg.Project)
}

func (v *visit) fixDrill(ctx context.Context) error {
	held, err := lockDrill(ctx, v.l)
	if err != nil {
		return err
	}
	defer held.Release()
	e, err := v.app.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	return e.SweepDrill(ctx, v.d.cfg.Project)
}

// fixSchedule does what schedule install does, without what it prints.
func (v *visit) fixSchedule(ctx context.Context) error {
	var quiet bytes.Buffer
	sub := *v.app
	sub.ui = ui.UI{Out: &quiet, Err: &quiet, Quiet: true}
	err := sub.runScheduleInstall(ctx, schedulerFlags{}, false)
	if errors.Is(err, errProblems) {
		return fmt.Errorf("it was installed, but: %s", strings.ReplaceAll(strings.TrimSpace(quiet.String()), "\n", "; "))
	}
	return err
}
