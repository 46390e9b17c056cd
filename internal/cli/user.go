package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/users"
)

func newUserCommand(a *App) *cobra.Command {
	return group("user", "Add, remove and list those who may log in, and say what each may do",
		newUserAddCommand(a), newUserPasswdCommand(a), newUserRmCommand(a), newUserLsCommand(a), newUserCheckCommand(a),
		newUserGrantCommand(a), newUserRevokeCommand(a))
}

// userResult is the outcome of a change. The password is there only when it
// was made here: this is its one chance to be seen.
type userResult struct {
	User     string `json:"user" doc:"name"`
	Action   string `json:"action" doc:"passwd or rm"`
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

// oneUser is the check of arguments of the commands on one user. Of a pattern
// that is not quoted the shell makes names of files, and those come here.
func oneUser(cmd *cobra.Command, args []string) error {
	err := exactly(1, "a user's name")(cmd, args)
	if err != nil && len(args) > 1 && cmd.Flags().Lookup("pull") != nil {
		return advice.With(err, "quote a pattern with a star, or the shell replaces it: --pull 'team/**'")
	}
	return err
}

// hasUser tells whether the user file has a user of that name.
func (d *deployment) hasUser(name string) (bool, error) {
	list, _, err := d.users().List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return slices.ContainsFunc(list, func(u users.User) bool { return u.Name == name }), nil
}

// checkUser finds out early, before a password is asked for or made.
func (d *deployment) checkUser(name string, want bool) error {
	there, err := d.hasUser(name)
	switch {
	case err != nil:
		return err
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
	if err := d.makeStateDir(); err != nil {
		return nil, err
	}
	f, err := change()
	if invalid, ok := errors.AsType[*users.RightsError](err); ok && f != nil {
		// The user is removed; of the rights that are left nobody has a use.
		a.ui.Warn("the rights stay in the file: %v", invalid)
		counts, err = errProblems, nil
	}
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

// makeStateDir makes the directories of the lock and of the user file, where
// they were removed.
func (d *deployment) makeStateDir() error {
	if err := durable.MkdirAll(d.Path(compose.StateDir), 0o700); err != nil {
		return err
	}
	return durable.MkdirAll(filepath.Dir(d.Path(compose.UserFile)), 0o755)
}

// userFault says what is wrong with a line of the user file.
func (d *deployment) userFault(f users.Fault) string {
	return fmt.Sprintf("%s, line %d: %s", d.Path(compose.UserFile), f.Line, f.Message)
}
