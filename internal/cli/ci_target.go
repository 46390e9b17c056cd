package cli

import (
	"fmt"
	"net"
	"strings"

	"github.com/distribution/reference"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/pipeline"
	"github.com/regctl/regctl/pkg/users"
)

// someProject stands for the name of the project that is built, which only the
// CI system knows: a pattern without a star does not match it.
const someProject = "some-project-or-other"

// target finds where the images go and what a new user may do: no more than
// the pipeline needs. Of a user that is there already, has says what it may push
// to, so that the same command prints the same snippet again.
func (o ciOptions) target(host string, has users.Rights) (pipeline.Repository, users.Rights, error) {
	fail := func(err error) (pipeline.Repository, users.Rights, error) {
		return pipeline.Repository{}, users.Rights{}, err
	}
	rights, err := (&rightsFlags{pull: o.pull, push: o.push}).rights()
	if err != nil {
		return fail(err)
	}
	var target pipeline.Repository
	switch {
	case o.image != "":
		target.Path = strings.TrimPrefix(o.image, host+"/")
		if err := checkRepository(host, target.Path); err != nil {
			return fail(usagef("--image: %w", err))
		}
		if len(o.push) == 0 {
			rights.Push = []string{target.Path}
		}
	case len(o.push) > 0:
		if target, err = within(o.push[0]); err != nil {
			return fail(err)
		}
	default:
		target = pipeline.Repository{Path: o.user + "/", OfProject: true}
		rights.Push = []string{o.user + "/*"}
		for _, pattern := range has.Push {
			if t, err := within(pattern); err == nil {
				target, rights.Push = t, has.Push
				break
			}
		}
	}
	if err := checkRepository(host, sample(target)); err != nil {
		return fail(advice.With(usagef("no repository can be called %s: %w", target, err), "name it: --image team/app"))
	}
	if !rights.CanPush(sample(target)) {
		return fail(usagef("--push does not let it push to %s", target))
	}
	return target, rights, nil
}

// within is a repository that a pattern takes in: itself, or the one below it
// that is called as the project that is built.
func within(pattern string) (pipeline.Repository, error) {
	above, last := "", pattern
	if i := strings.LastIndex(pattern, "/"); i >= 0 {
		above, last = pattern[:i+1], pattern[i+1:]
	}
	switch {
	case !strings.Contains(pattern, "*"):
		return pipeline.Repository{Path: pattern}, nil
	case (last == "*" || last == "**") && !strings.Contains(above, "*"):
		return pipeline.Repository{Path: above, OfProject: true}, nil
	}
	return pipeline.Repository{}, advice.With(usagef("--push %q does not say which repository the image goes to", pattern), "name it: --image team/app")
}

// sample is a repository as the target may turn out to be.
func sample(target pipeline.Repository) string {
	if target.OfProject {
		return target.Path + someProject
	}
	return target.Path
}

// checkRepository refuses what the registry would not take as a repository.
func checkRepository(host, path string) error {
	if err := users.CheckPattern(path); err != nil {
		return err
	}
	if strings.Contains(path, "*") {
		return fmt.Errorf("%q has a star in it: it is one repository", path)
	}
	if _, err := reference.WithName(host + "/" + path); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// doubt warns of what would keep the pipeline from working. It returns
// errProblems when a person has to do something about it.
func (a *App) doubt(d *deployment, name string, target pipeline.Repository, rights users.Rights) error {
	host := d.cfg.Domain
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		a.ui.Warn("%s is reached from this host alone: a runner elsewhere cannot push to it", d.cfg.Host())
	}
	a.warnExpired(d, name, rights)
	if !rights.CanPush(sample(target)) {
		pattern := target.Path
		if target.OfProject {
			pattern += "*"
		}
		a.ui.Warn("user %s may not push to %s (it has: %s); regctl user grant %s --push %s%s", name, target, rights, name, shellWord(pattern), dirFlag(d.Dir))
		return errProblems
	}
	if rights.Expired(a.Now()) {
		return errProblems
	}
	return nil
}
