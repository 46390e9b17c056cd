package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/pipeline"
	"github.com/regctl/regctl/pkg/users"
)

type ciOptions struct {
	user        string
	image       string
	push, pull  []string
	newPassword bool
}

func newCICommand(a *App) *cobra.Command {
	return group("ci", "Print a pipeline that builds an image and pushes it, and make its user",
		newCISystemCommand(a, pipeline.GitHub, "Print a workflow for GitHub Actions, and make its user"),
		newCISystemCommand(a, pipeline.GitLab, "Print a job for GitLab CI, and make its user"),
		newCISystemCommand(a, pipeline.Generic, "Print a shell script for any other CI system, and make its user"))
}

func newCISystemCommand(a *App, system pipeline.System, short string) *cobra.Command {
	var o ciOptions
	c := &cobra.Command{
		Use:   string(system) + " --user NAME",
		Short: short,
		Long: short + `.

The snippet is printed alone on standard output, ready to be redirected. It logs
in with --password-stdin, builds, tags by the commit's hash, pushes and logs out.
The user is made if it is missing; its password is shown once, on standard error,
and is nowhere in the snippet. A user that is there stays as it is.

The user gets the right to push, and not to pull: docker build and docker push
need no more, and a password that leaks from a pipeline then fetches nothing. Add
--pull for one that builds on images of this registry or takes its cache there.
Without --push it may push to --image alone; without --image too, the images go
to NAME/PROJECT, PROJECT being the repository that is built, and it may push to
NAME/*.

` + patternHelp,
		Example: fmt.Sprintf(`  regctl ci %[1]s --user ci-bot --image team/app > FILE
  regctl ci %[1]s --user ci-bot --push 'team/*'`, system),
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("user") {
				return advice.With(usagef("--user is missing: the name of the pipeline's user"), "regctl ci %s --user ci-bot", system)
			}
			return a.runCI(cmd.Context(), system, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.user, "user", "", "name of the pipeline's user; made if it is missing")
	f.StringVar(&o.image, "image", "", "repository that the image goes to, without host and tag (default: by the name of what is built)")
	f.StringArrayVar(&o.push, "push", nil, "`PATTERN` of repositories that a new user may push to; may be repeated")
	f.StringArrayVar(&o.pull, "pull", nil, "`PATTERN` of repositories that a new user may pull from; may be repeated")
	f.BoolVar(&o.newPassword, "new-password", false, "give a user that is there another password")
	return c
}

// ciResult is a pipeline and its user.
type ciResult struct {
	System     string `json:"system" doc:"github, gitlab or generic"`
	User       string `json:"user" doc:"of the pipeline"`
	Created    bool   `json:"created" doc:"the user was, or would be, made now"`
	DryRun     bool   `json:"dry_run" doc:"nothing was done"`
	Password   string `json:"password,omitempty" doc:"when it was made now: the one chance to see it"`
	Secret     string `json:"secret" doc:"the name under which the CI system keeps the password"`
	Host       string `json:"host" doc:"registry name in image references"`
	Repository string `json:"repository" doc:"where the image goes; PROJECT stands for the name of what is built"`
	File       string `json:"file" doc:"where the snippet belongs"`
	Snippet    string `json:"snippet" doc:"the pipeline; the password is not in it"`
	rightsFields

	plan string
}

// Text is the snippet alone.
func (r ciResult) Text(w io.Writer) {
	if r.DryRun {
		fmt.Fprintln(w, r.plan)
		return
	}
	fmt.Fprint(w, r.Snippet)
}

func (a *App) runCI(ctx context.Context, system pipeline.System, o ciOptions) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if err := users.CheckName(o.user); err != nil {
		return usagef("--user: %w", err)
	}
	there, has, err := d.pipelineUser(o.user)
	if err != nil {
		return err
	}
	target, rights, err := o.target(d.cfg.Host(), has)
	if err != nil {
		return err
	}
	if there {
		rights = has
		if len(o.pull)+len(o.push) > 0 {
			a.ui.Step("user %s is there already: --push and --pull do not change what it may do, regctl user grant does", o.user)
		}
	}
	// Before anything is changed: what cannot be rendered changes nothing.
	snippet, err := pipeline.Render(system, pipeline.Input{Host: d.cfg.Host(), User: o.user, Repository: target,
		PrivateCA: d.cfg.TLS.Mode == config.ModeSelfSigned})
	if err != nil {
		return err
	}
	res := ciResult{System: string(system), User: o.user, Created: !there, DryRun: a.dryRun, Secret: pipeline.Secret,
		Host: d.cfg.Host(), Repository: target.String(), File: snippet.File, Snippet: snippet.Text,
		rightsFields: toFields(rights, a.Now())}
	switch {
	case !there:
		res.plan = fmt.Sprintf("would add user %s with: %s", o.user, rights)
	case o.newPassword:
		res.plan = fmt.Sprintf("would give user %s another password", o.user)
	default:
		res.plan = fmt.Sprintf("would change nothing: user %s is there already", o.user)
	}
	var counts error
	if !a.dryRun {
		if res.Password, counts, err = a.ciUser(ctx, d, o, there, rights); err != nil {
			return err
		}
		a.handOver(res, snippet, rights)
	}
	if doubt := a.doubt(d, o.user, target, rights); doubt != nil {
		counts = doubt
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return counts
}

// pipelineUser finds the user that may be there already, and its rights.
func (d *deployment) pipelineUser(name string) (there bool, has users.Rights, err error) {
	if there, err = d.hasUser(name); err != nil {
		return false, has, err
	}
	all, err := d.users().Rights()
	switch {
	case err == nil && there:
		has = all[name]
	case errors.Is(err, fs.ErrNotExist):
		err = nil
		if there {
			has = users.DefaultRights() // as up will write them
		}
	}
	return there, has, err
}

// ciUser makes the user or its new password and returns the password, "" when
// none was made. counts is errProblems when the registry does not take it in.
func (a *App) ciUser(ctx context.Context, d *deployment, o ciOptions, there bool, rights users.Rights) (password string, counts, err error) {
	if there && !o.newPassword {
		return "", nil, nil
	}
	hash, password, err := a.newPassword(false, d.cfg.Users.Cost)
	if err != nil {
		return "", nil, err
	}
	counts, err = a.changeUsers(d, func() (*users.File, error) {
		if there {
			return d.users().SetHash(ctx, o.user, hash)
		}
		return d.users().Add(ctx, o.user, hash, rights)
	})
	return password, counts, err
}

// handOver shows a new password and where it belongs: on standard error, since
// standard output is the snippet, and under --quiet too, since it is the one
// chance to see it. It comes before the snippet, whose reader may hang up.
func (a *App) handOver(res ciResult, snippet pipeline.Snippet, rights users.Rights) {
	switch {
	case res.Password == "":
		a.ui.Step("user %s is there already and keeps its password; --new-password makes another", res.User)
	case res.Created:
		a.ui.Step("added user %s with: %s", res.User, rights)
	default:
		a.ui.Step("changed the password of user %s", res.User)
	}
	if res.Password != "" && !a.ui.JSON {
		fmt.Fprintf(a.Err, "\nthe password of %s, shown this once:\n\n  %s\n\n%s\n\n", res.User, res.Password, snippet.Store)
	}
}
