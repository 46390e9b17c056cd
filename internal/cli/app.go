// Package cli is the command line of regctl: one file a command, over an App
// that carries the streams, the clock and the clients.
//
// A command parses its flags into an options value and hands it to a function
// that does the work; how results and errors look is decided in one place each
// (internal/ui, errors.go).
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/schedule"
)

// defaultDir is where a deployment lives unless said otherwise.
const defaultDir = "/opt/registry"

// App is one run of regctl.
type App struct {
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Now     func() time.Time
	Args    []string // the command line without the program's name
	Connect func(context.Context) (*engine.Client, error)
	Systemd schedule.Systemd
	settle  time.Duration // of fsck, 0 for its default: tests are in a hurry

	// The flags every command has.
	dir     string
	yes     bool
	dryRun  bool
	ui      ui.UI
	started bool // a command's own work has begun: the command line was right
	running *cobra.Command
	args    []string // of it
}

// Main runs regctl on the process's arguments and streams and returns its exit
// status.
func Main() int {
	app := &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Now: time.Now, Args: os.Args[1:],
		Connect: engine.Connect, Systemd: schedule.System(),
	}
	// The first signal asks to stop and lets what was begun be undone; the second
	// one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return app.Run(ctx)
}

// Run runs one command and returns the exit status.
func (a *App) Run(ctx context.Context) int {
	root := NewRoot(a)
	checkBuiltins(root)
	root.SetArgs(a.Args)
	began := a.Now()
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = didYouMean(root, a.Args, &usageError{err})
	}
	code := a.report(ctx, err)
	a.record(began, code)
	return code
}

// didYouMean adds to an error about the command line the command that a first
// word was perhaps meant to be.
func didYouMean(root *cobra.Command, args []string, err error) error {
	for i := 0; i < len(args); i++ {
		word := args[i]
		if strings.HasPrefix(word, "-") {
			if takesValue(root, word) {
				i++
			}
			continue
		}
		known := slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
		if near := root.SuggestionsFor(word); !known && len(near) > 0 && advice.Of(err) == "" {
			return advice.With(err, "did you mean regctl %s", near[0])
		}
		break
	}
	return err
}

// takesValue tells a flag of every command whose value is the next word.
func takesValue(root *cobra.Command, word string) bool {
	name := strings.TrimLeft(word, "-")
	f := root.PersistentFlags().Lookup(name)
	if len(name) == 1 {
		f = root.PersistentFlags().ShorthandLookup(name)
	}
	return f != nil && f.NoOptDefVal == ""
}

// layout finds the deployment directory: --dir, $REGCTL_DIR, the working
// directory if it holds regctl.yaml, else /opt/registry. A link to a directory
// is followed once, here, so that every name below it is a real one.
func (a *App) layout() (compose.Layout, error) {
	dir, err := a.chooseDir()
	if err != nil {
		return compose.Layout{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return compose.Layout{Dir: dir}, nil
}

func (a *App) chooseDir() (string, error) {
	if a.dir != "" {
		return filepath.Abs(a.dir)
	}
	if dir := a.Getenv("REGCTL_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(wd, compose.ConfigFile)); err == nil {
		return wd, nil
	}
	return defaultDir, nil
}
