package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"github.com/regctl/regctl/pkg/advice"
)

// Load loads the Compose file named file (absolute; the one in the deployment
// or a staged one), together with the person's override file if there is one, as
// the project that Compose would run: interpolated, merged, checked against the
// specification and for consistency.
func (l Layout) Load(ctx context.Context, file, project string) (*types.Project, error) {
	// compose-go warns through a global logger; whatever matters comes as error.
	logrus.SetOutput(io.Discard)
	files := []string{file}
	override, err := l.override()
	if err != nil {
		return nil, err
	}
	files = append(files, override...)
	opts, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(l.Dir),
		cli.WithName(project),
		cli.WithResolvedPaths(true),
		cli.WithOsEnv,
		cli.WithEnvFiles(), // the person's .env, for variables in the override
		cli.WithDotEnv,
	)
	if err != nil {
		return nil, err
	}
	p, err := opts.LoadProject(ctx)
	if err != nil {
		err = fmt.Errorf("the Compose file is not valid: %w", err)
		if len(override) > 0 {
			return nil, advice.With(err, "look at %s: it is merged into what regctl renders", OverrideFile)
		}
		return nil, err
	}
	for _, name := range []string{ServiceRegistry, ServiceNginx} {
		if _, err := p.GetService(name); err != nil {
			return nil, fmt.Errorf("the Compose file has no service %q: %w", name, err)
		}
	}
	return p, nil
}

// Networks gives for each service of a loaded project the names of the networks
// that it is to be connected to.
func Networks(p *types.Project) map[string][]string {
	out := map[string][]string{}
	for service, definition := range p.Services {
		for key := range definition.Networks {
			out[service] = append(out[service], p.Networks[key].Name)
		}
	}
	return out
}

// override lists the person's override file, if it exists.
func (l Layout) override() ([]string, error) {
	path := l.Path(OverrideFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return []string{path}, nil
}
