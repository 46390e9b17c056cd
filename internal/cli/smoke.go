package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/smoke"
	"github.com/regctl/regctl/pkg/users"
)

type smokeOptions struct {
	user  string
	stdin bool
	size  int64
}

func newSmokeCommand(a *App) *cobra.Command {
	var o smokeOptions
	c := &cobra.Command{
		Use:   "smoke",
		Short: "Push, pull, compare and delete a generated image through the front door",
		Long: `Log in through the front door, push a generated image and an index of two
platforms, pull both back, compare every digest, and delete them again.

Without --user it does so as a user of its own, which is there for as long as
the test runs.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.stdin != (o.user != "") {
				return usagef("--user and --password-stdin go together")
			}
			if o.size < 1 || o.size > 1<<14 {
				return usagef("--size is in MiB, from 1 to %d", 1<<14)
			}
			return a.runSmoke(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.user, "user", "", "log in as this user; the password comes with --password-stdin")
	f.BoolVar(&o.stdin, "password-stdin", false, "read the password of --user from standard input")
	f.Int64Var(&o.size, "size", smoke.DefaultSize>>20, "MiB of the larger layer")
	return c
}

type smokeResult struct {
	OK         bool        `json:"ok" doc:"every step passed"`
	URL        string      `json:"url" doc:"front door"`
	Repository string      `json:"repository" doc:"where it pushed"`
	Digest     string      `json:"digest" doc:"of the image"`
	Bytes      int64       `json:"bytes" doc:"pushed, blobs and manifests"`
	DryRun     bool        `json:"dry_run" doc:"nothing was done"`
	Steps      []smokeStep `json:"steps" doc:"in order, up to the first that failed"`
	Leftovers  []string    `json:"leftovers" doc:"paths under /v2/ that could not be deleted"`
}

type smokeStep struct {
	Name    string `json:"name" doc:"connect, tls, challenge, login, upload, push image, push index, pull image, pull index, delete, gone, clean up"`
	OK      bool   `json:"ok" doc:"every step passed"`
	Millis  int64  `json:"duration_ms" doc:"milliseconds"`
	Detail  string `json:"detail" doc:"what was seen"`
	Error   string `json:"error" doc:"empty when it passed"`
	Cause   string `json:"cause" doc:"a stable word for why it failed"`
	Meaning string `json:"meaning" doc:"what that usually means"`
}

func (r smokeResult) Text(w io.Writer) {
	switch {
	case r.DryRun:
		fmt.Fprintf(w, "would push to and delete from %s\n", r.Repository)
	case r.OK:
		fmt.Fprintf(w, "%s works: pushed, pulled and deleted %s\n", r.URL, ui.Bytes(r.Bytes))
	}
	for _, l := range r.Leftovers {
		fmt.Fprintf(w, "left behind: %s\n", l)
	}
}

// smokeUser begins the names of the users that smoke makes for itself.
const smokeUser = "regctl-smoke-"

func (a *App) runSmoke(ctx context.Context, o smokeOptions) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	res := smokeResult{URL: d.cfg.URL(), DryRun: a.dryRun, Steps: []smokeStep{}, Leftovers: []string{},
		Repository: d.cfg.Host() + "/" + smoke.DefaultRepository}
	if a.dryRun {
		return a.ui.Result(res)
	}
	t, err := d.smokeTarget(o.size << 20)
	if err != nil {
		return err
	}
	var done func() error
	if t.Username, t.Password, done, err = a.smokeLogin(ctx, d, o); err != nil {
		return err
	}
	found, err := smoke.Run(ctx, t, func(s smoke.Step) {
		res.Steps = append(res.Steps, toStep(s))
		if s.Err == nil {
			a.ui.Step("ok    %-10s  %6s  %s", s.Name, since(s.Duration), s.Detail)
		} else {
			a.ui.Step("FAIL  %-10s  %6s", s.Name, since(s.Duration))
		}
	})
	err = errors.Join(err, done())
	res.OK, res.Digest, res.Bytes = err == nil, found.ImageDigest, found.Bytes
	res.Leftovers = append(res.Leftovers, found.Leftovers...)
	if printErr := a.ui.Result(res); printErr != nil {
		return printErr
	}
	if err != nil {
		return &smokeError{err: err, steps: found.Steps}
	}
	return nil
}

// smokeTarget is this deployment's front door, with a size in bytes of what is to be
// pushed, and nobody to log in as.
func (d *deployment) smokeTarget(size int64) (t smoke.Target, err error) {
	t = smoke.Target{Host: d.cfg.Host(), DialAddr: d.dialAddr(), Size: size}
	if d.cfg.TLS.Mode == config.ModeSelfSigned {
		t.Roots, err = certs.Roots(d.localCA().CertPath())
	}
	return t, err
}

func toStep(s smoke.Step) smokeStep {
	out := smokeStep{Name: s.Name, OK: s.Err == nil, Millis: s.Duration.Milliseconds(), Detail: s.Detail,
		Cause: string(s.Cause), Meaning: s.Meaning}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

// smokeError shows under the error what it usually means.
type smokeError struct {
	err   error
	steps []smoke.Step
}

func (e *smokeError) Error() string { return e.err.Error() }
func (e *smokeError) Unwrap() error { return e.err }

func (e *smokeError) Detail() string {
	for _, s := range e.steps {
		if s.Err != nil && s.Meaning != "" {
			return "usually: " + s.Meaning + "\n"
		}
	}
	return ""
}

// smokeLogin gives a user to try with: the one named, or a new one, whom done
// removes. What a killed run left is removed first: a user whose password
// nobody knows.
func (a *App) smokeLogin(ctx context.Context, d *deployment, o smokeOptions) (name, password string, done func() error, err error) {
	if o.user != "" {
		p, err := a.ui.ReadPassword(a.In)
		if err == nil && len(p) == 0 {
			err = usagef("the password on standard input is empty")
		}
		return o.user, string(p), func() error { return nil }, err
	}
	if err := durable.MkdirAll(d.Path(compose.StateDir), 0o700); err != nil {
		return "", "", nil, err
	}
	store := d.users()
	list, _, err := store.List()
	if err != nil {
		return "", "", nil, advice.With(err, "regctl up%s", dirFlag(d.Dir))
	}
	for _, u := range list {
		if pid, ok := strings.CutPrefix(u.Name, smokeUser); ok && !alive(pid) {
			if _, err := store.Remove(ctx, u.Name); err != nil && !errors.Is(err, users.ErrNotFound) {
				return "", "", nil, err
			}
		}
	}
	name, password = fmt.Sprintf("%s%d", smokeUser, pid()), users.Generate()
	hash, err := users.Hash([]byte(password), users.GeneratedCost)
	if err != nil {
		return "", "", nil, err
	}
	// Nothing beyond its own repository is at stake while it is there.
	own := []string{smoke.DefaultRepository}
	if _, err := store.Add(ctx, name, hash, users.Rights{Pull: own, Push: own, Delete: own}); err != nil {
		return "", "", nil, err
	}
	return name, password, func() error {
		// Also after Ctrl-C.
		_, err := store.Remove(context.WithoutCancel(ctx), name)
		return err
	}, nil
}
