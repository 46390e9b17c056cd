package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/users"
)

func newUserRmCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Aliases: []string{"remove"}, Short: "Remove a user and its rights; it cannot log in any more from then on",
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runUserRm(cmd.Context(), args[0]) },
	}
}

func (a *App) runUserRm(ctx context.Context, name string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	// Rights without a user, as a kill or an editor leaves them, go too.
	rights, _ := d.users().Rights()
	if _, left := rights[name]; !left {
		if err := d.checkUser(name, true); err != nil {
			return err
		}
	}
	var counts error
	if !a.dryRun {
		if counts, err = a.changeUsers(d, func() (*users.File, error) { return d.users().Remove(ctx, name) }); err != nil {
			return err
		}
		a.ui.Step("removed user %s", name)
	}
	if err := a.ui.Result(userResult{User: name, Action: "rm", DryRun: a.dryRun}); err != nil {
		return err
	}
	return counts
}
