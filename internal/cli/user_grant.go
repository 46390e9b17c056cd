package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/users"
)

// never is the value of --expires that takes an expiry away.
const never = "never"

func newUserGrantCommand(a *App) *cobra.Command {
	var flags rightsFlags
	var expires string
	c := &cobra.Command{
		Use:   "grant NAME",
		Short: "Give a user more rights, or another expiry",
		Long: `Give a user more rights, or another expiry. What it may do already stays. It
works from the next request on, nothing is restarted.

` + patternHelp,
		Example: `  regctl user grant ci-bot --push 'team/**' --pull 'team/**'
  regctl user grant alice --admin
  regctl user grant guest --expires 7d`,
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.none() && expires == "" {
				return advice.With(usagef("nothing to grant: name a right or an expiry"), "regctl user grant %s --pull 'team/**'", args[0])
			}
			more, err := flags.rights()
			if err != nil {
				return err
			}
			if expires != "" && expires != never {
				if more.Expires, err = expiry(expires, a.Now()); err != nil {
					return err
				}
			}
			return a.changeRights(cmd.Context(), args[0], "grant", func(r users.Rights) (users.Rights, error) {
				r = r.Plus(more)
				if expires == never {
					r.Expires = nil
				}
				return r, nil
			})
		},
	}
	flags.register(c)
	c.Flags().StringVar(&expires, "expires", "", "the user can log in for this long from now: 90d, 12h; or "+never)
	return c
}

func newUserRevokeCommand(a *App) *cobra.Command {
	var flags rightsFlags
	c := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take rights from a user",
		Long: `Take rights from a user. A pattern is taken away as it was given: team/app cannot
be taken out of team/**. It works from the next request on, nothing is restarted.`,
		Example: `  regctl user revoke alice --admin
  regctl user revoke ci-bot --pull '**' --push '**'`,
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.none() {
				return advice.With(usagef("nothing to revoke: name a right"), "regctl user revoke %s --push 'team/**'; regctl user rm %s removes the user", args[0], args[0])
			}
			less, err := flags.rights()
			if err != nil {
				return err
			}
			return a.changeRights(cmd.Context(), args[0], "revoke", func(r users.Rights) (users.Rights, error) { return r.Minus(less) })
		},
	}
	flags.register(c)
	return c
}

// grantResult is a user's rights after a change.
type grantResult struct {
	User    string `json:"user" doc:"name"`
	Action  string `json:"action" doc:"grant or revoke"`
	Changed bool   `json:"changed" doc:"false: it had those rights already"`
	DryRun  bool   `json:"dry_run" doc:"nothing was done"`
	rightsFields

	rights users.Rights
}

func (r grantResult) Text(w io.Writer) {
	verb := "has"
	switch {
	case !r.Changed:
		verb = "has already"
	case r.DryRun:
		verb = "would have"
	}
	fmt.Fprintf(w, "%s %s: %s\n", r.User, verb, r.rights)
}

// changeRights makes a change of one user's rights, or tells what it would be.
func (a *App) changeRights(ctx context.Context, name, action string, edit func(users.Rights) (users.Rights, error)) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if err := users.CheckName(name); err != nil {
		return &usageError{err}
	}
	if err := d.checkUser(name, true); err != nil {
		return err
	}
	named := func(r users.Rights) (users.Rights, error) {
		r, err := edit(r)
		if err != nil {
			return r, fmt.Errorf("user %s %w", name, err)
		}
		return r, nil
	}
	var before, after users.Rights
	if a.dryRun {
		before, after, err = d.users().PlanRights(name, named)
	} else if err = d.makeStateDir(); err == nil {
		before, after, err = d.users().ChangeRights(ctx, name, named)
	}
	if err != nil {
		return err
	}
	a.warnExpired(d, name, after)
	return a.ui.Result(grantResult{User: name, Action: action, Changed: !after.Equal(before), DryRun: a.dryRun,
		rightsFields: toFields(after, a.Now()), rights: after})
}
