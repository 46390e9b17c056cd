package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/users"
)

func newUserPasswdCommand(a *App) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password; prints the generated one once",
		Args:  oneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runUserPasswd(cmd.Context(), args[0], stdin)
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input instead of making one")
	return c
}

func (a *App) runUserPasswd(ctx context.Context, name string, stdin bool) error {
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
	res := userResult{User: name, Action: "passwd", DryRun: a.dryRun}
	if a.dryRun {
		return a.ui.Result(res)
	}
	// The hash before the lock, as in user add.
	hash, password, err := a.newPassword(stdin, d.cfg.Users.Cost)
	if err != nil {
		return err
	}
	counts, err := a.changeUsers(d, func() (*users.File, error) { return d.users().SetHash(ctx, name, hash) })
	if err != nil {
		return err
	}
	res.Password = password
	a.ui.Step("changed the password of user %s", name)
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return counts
}
