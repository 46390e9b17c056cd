package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
)

func newUserCheckCommand(a *App) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "check NAME --password-stdin",
		Short: "Check a user's password against the user file",
		Args:  oneUser,
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
	User    string `json:"user" doc:"name"`
	OK      bool   `json:"ok" doc:"the password is right"`
	Expired bool   `json:"expired" doc:"the user's time is over: it cannot log in"`
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
	// What is wrong with the rights file is not asked here.
	rights, _ := d.users().Rights()
	res := checkResult{User: name, OK: ok, Expired: ok && rights[name].Expired(a.Now())}
	if a.ui.JSON || ok {
		if err := a.ui.Result(res); err != nil {
			return err
		}
	}
	if !ok {
		return errWrongPassword
	}
	if res.Expired {
		a.warnExpired(d, name, rights[name])
		return errProblems
	}
	return nil
}
