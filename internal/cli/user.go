package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/users"
)

func newUserCommand(a *App) *cobra.Command {
	return group("user", "Add, remove and list those who may log in",
		newUserAddCommand(a), newUserPasswdCommand(a), newUserRmCommand(a), newUserLsCommand(a), newUserCheckCommand(a))
}

// userResult is the outcome of a change. The password is there only when it
// was made here: this is its one chance to be seen.
type userResult struct {
	User     string `json:"user" doc:"name"`
	Action   string `json:"action" doc:"add, passwd or rm"`
	DryRun   bool   `json:"dry_run" doc:"nothing was done"`
	Password string `json:"password,omitempty" doc:"when it was generated: the one chance to see it"`
}

// Text is the password alone, so that it can be caught in a variable.
func (r userResult) Text(w io.Writer) {
	switch {
	case r.DryRun:
		fmt.Fprintf(w, "would %s user %s\n", r.Action, r.User)
	case r.Password != "":
		fmt.Fprintln(w, r.Password)
	}
}

func newUserAddCommand(a *App) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; prints the generated password once, alone on standard output",
		Args:  exactly(1, "a user's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setPassword(cmd.Context(), args[0], "add", stdin)
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input instead of making one")
	return c
}

func newUserPasswdCommand(a *App) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password; prints the generated one once",
		Args:  exactly(1, "a user's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setPassword(cmd.Context(), args[0], "passwd", stdin)
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input instead of making one")
	return c
}

// setPassword adds a user or changes a password. The hash is made before the
// lock is taken, so that many at once wait for a file and not for bcrypt.
func (a *App) setPassword(ctx context.Context, name, action string, stdin bool) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if err := users.CheckName(name); err != nil {
		return &usageError{err}
	}
	if err := d.checkUser(name, action == "passwd"); err != nil {
		return err
	}
	if a.dryRun {
		return a.ui.Result(userResult{User: name, Action: action, DryRun: true})
	}
	hash, password, err := a.newPassword(stdin, d.cfg.Users.Cost)
	if err != nil {
		return err
	}
	change := d.users().Add
	done := "added user %s"
	if action == "passwd" {
		change, done = d.users().SetHash, "changed the password of user %s"
	}
	counts, err := a.changeUsers(d, func() (*users.File, error) { return change(ctx, name, hash) })
	if err != nil {
		return err
	}
	a.ui.Step(done, name)
	if err := a.ui.Result(userResult{User: name, Action: action, Password: password}); err != nil {
		return err
	}
	return counts
}

// checkUser finds out early, before a password is asked for or made.
func (d *deployment) checkUser(name string, want bool) error {
	list, _, err := d.users().List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there := false
	for _, u := range list {
		there = there || u.Name == name
	}
	switch {
	case want && !there:
		return advice.With(fmt.Errorf("%w: %s", users.ErrNotFound, name), "regctl user ls%s", dirFlag(d.Dir))
	case !want && there:
		return advice.With(fmt.Errorf("%w: %s", users.ErrExists, name), "regctl user passwd %s%s changes its password", name, dirFlag(d.Dir))
	}
	return nil
}

// changeUsers makes a change and warns of what in the file would keep the
// registry from taking it in. counts is errProblems when something does: the
// change was made, but works only once a person has mended the file.
func (a *App) changeUsers(d *deployment, change func() (*users.File, error)) (counts, err error) {
	if err := durable.MkdirAll(d.Path(compose.StateDir), 0o700); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(d.Path(compose.UserFile)), 0o755); err != nil {
		return nil, err
	}
	f, err := change()
	if err != nil {
		return nil, err
	}
	for _, fault := range f.Faults() {
		a.ui.Warn("%s", d.userFault(fault))
		if fault.Fatal {
			counts = errProblems
		}
	}
	if len(f.Users()) == 0 {
		a.ui.Warn("no user is left: nobody can log in until you add one")
	}
	return counts, nil
}

func newUserRmCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Aliases: []string{"remove"}, Short: "Remove a user; it cannot log in any more from then on",
		Args: exactly(1, "a user's name"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runUserRm(cmd.Context(), args[0]) },
	}
}

func (a *App) runUserRm(ctx context.Context, name string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if err := d.checkUser(name, true); err != nil {
		return err
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

func newUserLsCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the users",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.runUserLs() },
	}
}

type userList struct {
	Users    []listedUser `json:"users" doc:"in the order of the file"`
	Problems []string     `json:"problems" doc:"lines of the user file that need a person"`
}

type listedUser struct {
	Name   string `json:"name"`
	Scheme string `json:"scheme" doc:"bcrypt is the only one that the registry takes"`
	Cost   int    `json:"cost" doc:"of bcrypt"`
}

func (l userList) Text(w io.Writer) {
	for _, u := range l.Users {
		fmt.Fprintln(w, u.Name)
	}
}

func (a *App) runUserLs() error {
	d, err := a.open()
	if err != nil {
		return err
	}
	list, faults, err := d.users().List()
	if err != nil {
		return err
	}
	res := userList{Users: []listedUser{}, Problems: []string{}}
	for _, u := range list {
		res.Users = append(res.Users, listedUser{u.Name, string(u.Scheme), u.Cost})
	}
	for _, f := range faults {
		res.Problems = append(res.Problems, d.userFault(f))
		a.ui.Warn("%s", d.userFault(f))
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	if len(faults) > 0 {
		return errProblems
	}
	return nil
}

func newUserCheckCommand(a *App) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "check NAME --password-stdin",
		Short: "Check a user's password against the user file",
		Args:  exactly(1, "a user's name"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !stdin {
				return advice.With(usagef("the password is read from standard input: add --password-stdin"), "printf %%s \"$PASSWORD\" | regctl user check %s --password-stdin", args[0])
			}
			return a.runUserCheck(args[0])
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	return c
}

type checkResult struct {
	User string `json:"user" doc:"name"`
	OK   bool   `json:"ok" doc:"the password is right"`
}

func (r checkResult) Text(w io.Writer) {
	if r.OK {
		fmt.Fprintf(w, "the password of %s is right\n", r.User)
	}
}

var errWrongPassword = errors.New("wrong user name or password")

func (a *App) runUserCheck(name string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	password, err := a.ui.ReadPassword(a.In)
	if err != nil {
		return err
	}
	ok, err := d.users().Verify(name, password)
	if err != nil {
		return err
	}
	if a.ui.JSON || ok {
		if err := a.ui.Result(checkResult{name, ok}); err != nil {
			return err
		}
	}
	if !ok {
		return errWrongPassword
	}
	return nil
}

// userFault says what is wrong with a line of the user file.
func (d *deployment) userFault(f users.Fault) string {
	return fmt.Sprintf("%s, line %d: %s", d.Path(compose.UserFile), f.Line, f.Message)
}
