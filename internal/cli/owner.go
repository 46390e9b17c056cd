package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
)

// owns refuses the containers of another deployment that has the same project
// name.
func (d *deployment) owns(containers []engine.Container) error {
	for _, c := range containers {
		if c.WorkingDir != "" && !sameDir(c.WorkingDir, d.Dir) {
			return advice.With(fmt.Errorf("the Compose project %q belongs to %s", d.cfg.Project, c.WorkingDir),
				"give this one another name: project in %s; or end that one: docker compose -p %s down", d.Path(compose.ConfigFile), d.cfg.Project)
		}
	}
	return nil
}

// checkOwner refuses to take over another deployment's stack.
func (s *start) checkOwner(ctx context.Context) error {
	if err := s.d.owns(s.containers); err != nil {
		return err
	}
	volume := s.d.cfg.Project + "_registry-data"
	if len(s.containers) == 0 {
		if there, err := s.engine.VolumeExists(ctx, volume); err != nil {
			return err
		} else if there {
			s.app.ui.Detail("the volume %s exists; its images will be there", volume)
		}
	}
	return nil
}

func sameDir(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(fa, fb)
}
