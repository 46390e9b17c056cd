package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/users"
)

type userAddOptions struct {
	rights  rightsFlags
	expires string
	stdin   bool
}

func newUserAddCommand(a *App) *cobra.Command {
	var o userAddOptions
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; prints the generated password once, alone on standard output",
		Long: `Add a user. Without --password-stdin a password is generated and printed once,
alone on standard output. It works at once, nothing is restarted.

Without a flag that gives a right the user may pull and push everywhere; with
one it may do what the flags say and nothing else.

` + patternHelp,
		Example: `  regctl user add alice
  regctl user add deploy --pull 'team/**'
  regctl user add ci-bot --push team/app --expires 90d`,
		Args: oneUser,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runUserAdd(cmd.Context(), args[0], o) },
	}
	o.rights.register(c)
	c.Flags().StringVar(&o.expires, "expires", "", "the user can log in for this long only: 90d, 12h")
	c.Flags().BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input instead of making one")
	return c
}

// userAddResult is the outcome of user add.
type userAddResult struct {
	User     string `json:"user" doc:"name"`
	Action   string `json:"action" doc:"add"`
	DryRun   bool   `json:"dry_run" doc:"nothing was done"`
	Password string `json:"password,omitempty" doc:"when it was generated: the one chance to see it"`
	rightsFields

	rights users.Rights
}

// Text is the password alone, so that it can be caught in a variable.
func (r userAddResult) Text(w io.Writer) {
	switch {
	case r.DryRun:
		fmt.Fprintf(w, "would add user %s with: %s\n", r.User, r.rights)
	case r.Password != "":
		fmt.Fprintln(w, r.Password)
	}
}

// wanted are the rights of the user to be added.
func (o *userAddOptions) wanted(a *App) (users.Rights, error) {
	r, err := o.rights.rights()
	if err != nil {
		return r, err
	}
	if o.rights.none() {
		r = users.DefaultRights()
	}
	if o.expires != "" {
		if r.Expires, err = expiry(o.expires, a.Now()); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (a *App) runUserAdd(ctx context.Context, name string, o userAddOptions) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if err := users.CheckName(name); err != nil {
		return &usageError{err}
	}
	rights, err := o.wanted(a)
	if err != nil {
		return err
	}
	if err := d.checkUser(name, false); err != nil {
		return err
	}
	if err := d.checkRights(); err != nil {
		return err
	}
	res := userAddResult{User: name, Action: "add", DryRun: a.dryRun, rightsFields: toFields(rights, a.Now()), rights: rights}
	if a.dryRun {
		return a.ui.Result(res)
	}
	// The hash is made before the lock is taken, so that many at once wait for a
	// file and not for bcrypt.
	hash, password, err := a.newPassword(o.stdin, d.cfg.Users.Cost)
	if err != nil {
		return err
	}
	counts, err := a.changeUsers(d, func() (*users.File, error) { return d.users().Add(ctx, name, hash, rights) })
	if err != nil {
		return err
	}
	res.Password = password
	a.ui.Step("added user %s with: %s", name, rights)
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return counts
}

// checkRights finds out early that the rights file cannot be changed. One that
// is missing will be written.
func (d *deployment) checkRights() error {
	if _, err := d.users().Rights(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
