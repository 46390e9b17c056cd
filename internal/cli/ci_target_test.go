package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/users"
)

func TestPipelineTarget(t *testing.T) {
	for name, tc := range map[string]struct {
		o              ciOptions
		has            users.Rights
		target, rights string // or in rights the error
	}{
		"nothing said":            {ciOptions{}, users.Rights{}, "bot/PROJECT", "push bot/*"},
		"an image":                {ciOptions{image: "team/app"}, users.Rights{}, "team/app", "push team/app"},
		"an image with the host":  {ciOptions{image: "r.test:8443/team/app"}, users.Rights{}, "team/app", "push team/app"},
		"an image of another":     {ciOptions{image: "other.test:8443/app"}, users.Rights{}, "", "has ':' in it"},
		"a pattern":               {ciOptions{push: []string{"team/**"}}, users.Rights{}, "team/PROJECT", "push team/**"},
		"a star":                  {ciOptions{push: []string{"*"}}, users.Rights{}, "PROJECT", "push *"},
		"everything":              {ciOptions{push: []string{"**"}}, users.Rights{}, "PROJECT", "push **"},
		"a deep pattern":          {ciOptions{push: []string{"a/b/*"}}, users.Rights{}, "a/b/PROJECT", "push a/b/*"},
		"one repository":          {ciOptions{push: []string{"a/b"}}, users.Rights{}, "a/b", "push a/b"},
		"two patterns":            {ciOptions{push: []string{"a/b", "c/**"}}, users.Rights{}, "a/b", "push a/b c/**"},
		"pull":                    {ciOptions{image: "a", pull: []string{"base/**"}}, users.Rights{}, "a", "pull base/**, push a"},
		"image within a pattern":  {ciOptions{image: "team/app", push: []string{"x", "team/**"}}, users.Rights{}, "team/app", "push x team/**"},
		"image outside":           {ciOptions{image: "team/app", push: []string{"x"}}, users.Rights{}, "", "does not let it push to team/app"},
		"half a component":        {ciOptions{push: []string{"team/app-*"}}, users.Rights{}, "", "does not say which repository"},
		"a star above":            {ciOptions{push: []string{"*/app"}}, users.Rights{}, "", "does not say which repository"},
		"a star above everything": {ciOptions{push: []string{"*/**"}}, users.Rights{}, "", "does not say which repository"},
		"no pattern":              {ciOptions{push: []string{"Team"}}, users.Rights{}, "", "--push: pattern"},
		"no pull pattern":         {ciOptions{pull: []string{"a/"}}, users.Rights{}, "", "--pull: pattern"},
		"a tag":                   {ciOptions{image: "a:b"}, users.Rights{}, "", "--image: pattern"},
		"no repository":           {ciOptions{image: "a..b"}, users.Rights{}, "", "--image: \"a..b\""},
		"what it has":             {ciOptions{}, users.Rights{Push: []string{"team/app-*", "x/**"}}, "x/PROJECT", "push team/app-* x/**"},
		"nothing of use":          {ciOptions{}, users.Rights{Push: []string{"*-x"}}, "bot/PROJECT", "push bot/*"},
		"only pulls":              {ciOptions{}, users.Rights{Pull: []string{"**"}}, "bot/PROJECT", "push bot/*"},
	} {
		tc.o.user = "bot"
		target, rights, err := tc.o.target("r.test:8443", tc.has)
		if tc.target == "" {
			if usage, ok := errors.AsType[*usageError](err); !ok || !strings.Contains(usage.Error(), tc.rights) {
				t.Errorf("%s: %v, %v; want an error with %q", name, target, err, tc.rights)
			}
			continue
		}
		if err != nil || target.String() != tc.target || rights.String() != tc.rights {
			t.Errorf("%s: %s, %s, %v; want %s, %s", name, target, rights, err, tc.target, tc.rights)
		}
		if !rights.CanPush(sample(target)) {
			t.Errorf("%s: %s does not let it push to %s", name, rights, target)
		}
	}
	for user, ok := range map[string]bool{"a": true, "a.b": true, "..": false, "-a": false, "a-": false, "_": false} {
		if _, _, err := (ciOptions{user: user}).target("r.test", users.Rights{}); (err == nil) != ok {
			t.Errorf("user %q: %v", user, err)
		}
	}
}
