package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/compose"
)

// converge has Compose bring the containers up to date if need be, and reads
// them as they are then.
func (s *start) converge(ctx context.Context) error {
	if !s.compose {
		return s.lookAgain(ctx)
	}
	s.app.ui.Step("starting the stack")
	err := s.runCompose(ctx)
	if lookErr := s.lookAgain(ctx); err == nil {
		err = lookErr
	}
	// What a Compose that was interrupted had asked for, the engine may have made
	// only now.
	if s.findHalfMade(); len(s.halfMade) > 0 && ctx.Err() == nil {
		if err = s.runCompose(ctx); err == nil {
			err = s.lookAgain(ctx)
		}
	}
	if err != nil {
		return s.explain(ctx, err)
	}
	return nil
}

// runCompose has Compose bring the containers up to date.
func (s *start) runCompose(ctx context.Context) error {
	if s.runner == nil {
		var err error
		if s.runner, err = compose.FindCompose(ctx, s.d.Layout, s.d.cfg.Project); err != nil {
			return err
		}
	}
	if len(s.halfMade) > 0 {
		if err := s.runner.Change(ctx, s.app.composeOutput(), append([]string{"rm", "--force", "--stop"}, s.halfMade...)...); err != nil {
			return err
		}
	}
	return s.runner.Change(ctx, s.app.composeOutput(), "up", "--detach", "--quiet-pull")
}

// passing matches the name that Compose gives to a container which is to take
// the place of another: the other's ID goes before its own name until then.
var passing = regexp.MustCompile(`^[0-9a-f]{12}_`)

// findHalfMade finds what a Compose that was stopped half-way left behind and a
// later one (seen with 2.26) does not mend:
//   - a container that was to replace another: its name is in the way for ever;
//   - a container that is not connected to all its networks: on an engine older
//     than 25 a second one, as an override may add, is connected after the
//     container was made.
func (s *start) findHalfMade() {
	s.halfMade = nil
	anew := func(service, format string, args ...any) {
		if !slices.Contains(s.halfMade, service) {
			s.halfMade = append(s.halfMade, service)
			s.compose = true
			s.will("make %s anew: %s", service, fmt.Sprintf(format, args...))
		}
	}
	for _, c := range s.containers {
		if passing.MatchString(c.Name) {
			anew(c.Service, "an earlier change of its container was not finished")
		}
	}
	for _, service := range serviceOrder {
		c, ok := find(s.containers, service)
		for _, network := range s.networks[service] {
			if ok && !slices.Contains(c.Networks, network) {
				anew(service, "it is not connected to %s", network)
			}
		}
	}
}

// load has the services load what they have not loaded yet. A container that
// Compose has just started has done so. What one loaded that somebody else made
// or told since the last up, nobody knows.
func (s *start) load(ctx context.Context) error {
	var restart []string
	for _, service := range []string{compose.ServiceRegistry, compose.ServiceAuth} {
		if s.edited(service) && s.want.Containers[service] == s.ran[service] {
			restart = append(restart, service)
		}
	}
	if len(restart) > 0 {
		s.app.ui.Step("restarting %s", strings.Join(restart, " and "))
		if err := s.runner.Change(ctx, s.app.composeOutput(), append([]string{"restart"}, restart...)...); err != nil {
			return s.explain(ctx, err)
		}
	}
	id := s.want.Containers[compose.ServiceNginx]
	if id != s.ran[compose.ServiceNginx] {
		return nil
	}
	if id == s.state.Containers[compose.ServiceNginx] && s.state.Nginx == s.want.Nginx && !s.edited(compose.ServiceNginx) {
		return nil
	}
	return s.reload(ctx)
}
