package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/users"
)

const patternHelp = `PATTERN names repositories: team/app is one, team/** all below team/, team/app-*
those that begin so, ** all. Quote it, or the shell replaces the stars.`

// rightsFlags are the flags that say what a user may do.
type rightsFlags struct {
	pull, push, delete []string
	admin              bool
}

func (f *rightsFlags) register(c *cobra.Command) {
	// Arrays, not slices: a comma in a pattern is a fault to name, not a second one.
	c.Flags().StringArrayVar(&f.pull, "pull", nil, "`PATTERN` of repositories to pull from; may be repeated")
	c.Flags().StringArrayVar(&f.push, "push", nil, "`PATTERN` of repositories to push to; may be repeated")
	c.Flags().StringArrayVar(&f.delete, "delete", nil, "`PATTERN` of repositories to delete in; may be repeated")
	c.Flags().BoolVar(&f.admin, "admin", false, "everything, deleting and the list of all repositories included")
}

// none tells whether no flag was given.
func (f *rightsFlags) none() bool {
	return len(f.pull)+len(f.push)+len(f.delete) == 0 && !f.admin
}

// rights are the rights that the flags name. A pattern that is none is the
// command line's fault.
func (f *rightsFlags) rights() (users.Rights, error) {
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"pull", f.pull}, {"push", f.push}, {"delete", f.delete}} {
		for _, pattern := range list.patterns {
			if err := users.CheckPattern(pattern); err != nil {
				return users.Rights{}, usagef("--%s: %w", list.flag, err)
			}
		}
	}
	// A pattern given twice is one right.
	return users.Rights{}.Plus(users.Rights{Pull: f.pull, Push: f.push, Delete: f.delete, Admin: f.admin}), nil
}

// expiry reads the value of --expires: a time from now. It is whole seconds, and
// never earlier than was asked for.
func expiry(value string, now time.Time) (*time.Time, error) {
	length, err := config.ParseDuration(value)
	if err != nil {
		return nil, usagef("--expires %w", err)
	}
	if length <= 0 {
		return nil, advice.With(usagef("--expires is no time at all"), "regctl user rm takes a user away")
	}
	end := now.Add(length.Std()).UTC()
	if whole := end.Truncate(time.Second); !whole.Equal(end) {
		end = whole.Add(time.Second)
	}
	return &end, nil
}

// rightsFields are a user's rights as JSON.
type rightsFields struct {
	Pull    []string   `json:"pull" doc:"patterns of repositories that it may pull from"`
	Push    []string   `json:"push" doc:"patterns of repositories that it may push to"`
	Delete  []string   `json:"delete" doc:"patterns of repositories that it may delete in"`
	Admin   bool       `json:"admin" doc:"it may do everything"`
	Expires *time.Time `json:"expires" doc:"when it can no longer log in; null: never"`
	Expired bool       `json:"expired" doc:"that time is over"`
}

func toFields(r users.Rights, now time.Time) rightsFields {
	list := func(patterns []string) []string { return append([]string{}, patterns...) }
	f := rightsFields{Pull: list(r.Pull), Push: list(r.Push), Delete: list(r.Delete), Admin: r.Admin, Expired: r.Expired(now)}
	if r.Expires != nil {
		utc := r.Expires.UTC()
		f.Expires = &utc
	}
	return f
}

// warnExpired says that a user cannot log in, whatever its rights.
func (a *App) warnExpired(d *deployment, name string, r users.Rights) {
	if r.Expired(a.Now()) {
		a.ui.Warn("user %s ended on %s and cannot log in; regctl user grant %s --expires 90d%s lets it in again",
			name, r.Expires.Format(time.RFC3339), name, dirFlag(d.Dir))
	}
}

// ensureRights writes the rights file where there is none: a deployment from
// before there were rights, or somebody else's user file that was taken over.
func (a *App) ensureRights(ctx context.Context, d *deployment) error {
	if err := d.makeStateDir(); err != nil {
		return err
	}
	written, err := d.users().EnsureRights(ctx)
	if err != nil {
		return err
	}
	if list, _, err := d.users().List(); written && err == nil && len(list) > 0 {
		a.ui.Step("wrote %s: every user there is may pull and push everywhere; regctl user ls%s", compose.RightsFile, dirFlag(d.Dir))
	}
	return nil
}
