package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/engine"
)

// inProcess is an App whose streams are in memory, far from any Docker.
func inProcess(args ...string) (app *App, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return &App{
		In: strings.NewReader(""), Out: out, Err: errs,
		Getenv:  func(string) string { return "" },
		Now:     time.Now,
		Args:    args,
		Connect: func(context.Context) (*engine.Client, error) { return nil, engine.ErrUnavailable },
	}, out, errs
}

// commands lists the whole tree.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	app, _, _ := inProcess()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(NewRoot(app))
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

func TestEveryCommandExplainsItself(t *testing.T) {
	for _, c := range commands(t) {
		name := c.CommandPath()
		if s := c.Short; s == "" || strings.HasSuffix(s, ".") || s[:1] != strings.ToUpper(s[:1]) || len(s) > 80 {
			t.Errorf("%s: Short is %q", name, s)
		}
		// What a name and its flags cannot say has to be said somewhere.
		if c.Runnable() && c.LocalNonPersistentFlags().HasFlags() && c.Long == "" && c.Example == "" && len(c.Short) < 25 {
			t.Errorf("%s: neither Long nor Example, and a Short of few words", name)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(line) > 120 {
				t.Errorf("%s: a line of %d characters in its help: %s", name, len(line), line)
			}
		}
		if c.Parent() == c.Root() && c.GroupID == "" && !c.Hidden {
			t.Errorf("%s is in no group of the help", name)
		}
		if c.Runnable() && c.Args == nil && !c.HasSubCommands() {
			t.Errorf("%s takes any arguments and ignores them", name)
		}
		if c.Run != nil || c.PreRun != nil || c.PostRun != nil {
			t.Errorf("%s cannot return an error", name)
		}
	}
}

func TestEveryFlagExplainsItself(t *testing.T) {
	for _, c := range commands(t) {
		c.Flags().VisitAll(flagChecks(t, c))
		c.PersistentFlags().VisitAll(flagChecks(t, c))
	}
}

// Every help tells what the exit status means, and goes to standard output.
func TestEveryHelpHasTheExitStatuses(t *testing.T) {
	for _, c := range commands(t) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		app, out, errs := inProcess(args...)
		if status := app.Run(t.Context()); status != 0 || errs.Len() > 0 {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
		help := out.String()
		if !strings.Contains(help, "Usage:\n  "+c.CommandPath()) {
			t.Errorf("%v: no usage in\n%s", args, help)
		}
		if !strings.HasSuffix(help, statusHelp) {
			t.Errorf("%v: the exit statuses are not at the end of\n%s", args, help)
		}
		for _, flag := range []string{"--dir", "--json", "--quiet", "--verbose", "--yes", "--dry-run"} {
			if !strings.Contains(help, flag) {
				t.Errorf("%v: the help lacks %s", args, flag)
			}
		}
	}
	for _, n := range []string{"0", "1", "2", "3", "4", "5", "6", "130"} {
		if !strings.Contains(statusHelp, "\n  "+n+" ") {
			t.Errorf("the table of exit statuses lacks %s", n)
		}
	}
}

// The tree is also what documents are made from: building it touches nothing.
func TestTheTreeTouchesNothing(t *testing.T) {
	app := &App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard} // no clock, no environment, no engine
	NewRoot(app)
}
