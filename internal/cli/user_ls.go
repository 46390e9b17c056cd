package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/users"
)

func newUserLsCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the users and what each may do",
		Long: `List the users and what each may do.

Exit status 3 when something in the user file or the rights file needs a person.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.runUserLs() },
	}
}

type userList struct {
	Users    []listedUser `json:"users" doc:"in the order of the file"`
	Problems []string     `json:"problems" doc:"what in the user file and the rights file needs a person"`
}

type listedUser struct {
	Name   string `json:"name"`
	Scheme string `json:"scheme" doc:"bcrypt is the only one that the registry takes"`
	Cost   int    `json:"cost" doc:"of bcrypt"`
	rightsFields
}

func (l userList) Text(w io.Writer) {
	rows := [][]string{{"NAME", "PULL", "PUSH", "DELETE", "EXPIRES", "HASH"}}
	for _, u := range l.Users {
		hash := u.Scheme
		if u.Cost > 0 {
			hash += fmt.Sprintf(" %d", u.Cost)
		}
		rows = append(rows, []string{u.Name, u.cell(u.Pull), u.cell(u.Push), u.cell(u.Delete), u.end(), hash})
	}
	ui.Table(w, rows)
}

// cell is a column of one verb.
func (u listedUser) cell(patterns []string) string {
	switch {
	case u.Admin:
		return "admin"
	case len(u.Pull)+len(u.Push)+len(u.Delete) == 0:
		return "no rights"
	case len(patterns) == 0:
		return "-"
	}
	return strings.Join(patterns, " ")
}

func (u listedUser) end() string {
	switch {
	case u.Expires == nil:
		return "never"
	case u.Expired:
		return "expired " + u.Expires.Format(time.DateOnly)
	}
	return u.Expires.Format("2006-01-02 15:04Z")
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
	for _, f := range faults {
		res.Problems = append(res.Problems, d.userFault(f))
	}
	rights, err := d.users().Rights()
	invalid, isInvalid := errors.AsType[*users.RightsError](err)
	switch {
	case isInvalid:
		for _, f := range invalid.Faults {
			res.Problems = append(res.Problems, fmt.Sprintf("%s: %s", invalid.Path, f))
		}
		res.Problems = append(res.Problems, fmt.Sprintf("%s cannot be read, so no rights are shown; the front door goes by those that it read last", invalid.Path))
	case errors.Is(err, fs.ErrNotExist):
		res.Problems = append(res.Problems, fmt.Sprintf("%s is missing: nobody has any right until regctl up%s writes it", d.users().RightsPath(), dirFlag(d.Dir)))
	case err != nil:
		return err
	}
	for _, u := range list {
		res.Users = append(res.Users, listedUser{u.Name, u.Scheme, u.Cost, toFields(rights[u.Name], a.Now())})
		delete(rights, u.Name)
	}
	for _, name := range sortedKeys(rights) {
		res.Problems = append(res.Problems, fmt.Sprintf("%s has rights for %s, who is no user: regctl user rm %s%s takes them out",
			d.users().RightsPath(), name, name, dirFlag(d.Dir)))
	}
	for _, p := range res.Problems {
		a.ui.Warn("%s", p)
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	if len(res.Problems) > 0 {
		return errProblems
	}
	return nil
}
