package cli

import (
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/regctl/regctl/pkg/audit"
	"github.com/regctl/regctl/pkg/compose"
)

// auditFile is what regctl did on a deployment.
const auditFile = compose.StateDir + "/audit.log"

// onlyLook are the commands that change nothing. Whatever is not among them is
// recorded.
var onlyLook = []string{"audit", "backup ls", "backup verify", "cert status", "ci", "ci generic", "ci github", "ci gitlab", "completion", "completion bash", "completion fish",
	"completion powershell", "completion zsh", "config", "config schema", "config validate", "diff", "help", "inside", "logs", "schedule", "schedule show",
	"cert", "repo", "repo ls", "status", "tag", "tag ls", "user", "user check", "user ls", "version"}

// record adds the command that was run to the deployment's audit, whatever became
// of it. A disk that is full, or a directory that may not be written, is no reason
// for a command to fail.
func (a *App) record(began time.Time, code int) {
	if a.running == nil || a.dryRun || code == statusUsage {
		return
	}
	command := commandName(a.running)
	root := a.running.Flags().Lookup("root")
	switch {
	case slices.Contains(onlyLook, command), strings.HasPrefix(command, "__"): // completion's own
		return
	case root != nil && root.Changed: // on a directory that is no deployment's
		return
	case command == "fsck" && !a.changed("repair"):
		return
	case command == "doctor" && !a.changed("fix") && !a.changed("smoke"):
		return
	}
	l, err := a.layout()
	if err != nil {
		return
	}
	if fi, err := os.Stat(l.Path(compose.StateDir)); err != nil || !fi.IsDir() {
		return // no deployment, or an init that was taken back
	}
	e := audit.Entry{Time: began.UTC().Truncate(time.Millisecond), Command: command, Args: auditArgs(a.running, a.args), UID: os.Getuid(), PID: os.Getpid(),
		SudoUser: a.Getenv("SUDO_USER"), Status: code, Millis: a.Now().Sub(began).Milliseconds(), Version: version().Version}
	if u, err := user.Current(); err == nil {
		e.User = u.Username
	}
	e.Host, _ = os.Hostname()
	if err := (audit.Log{Path: l.Path(auditFile)}).Append(e); err != nil && (code == statusDone || code == statusProblems) {
		a.ui.Warn("it was not written to the audit: %v", err)
	}
}

// changed tells whether a flag of the command was given.
func (a *App) changed(flag string) bool {
	f := a.running.Flags().Lookup(flag)
	return f != nil && f.Changed
}

// commandName is a command without the program: "user add".
func commandName(c *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), c.Root().Name()), " ")
}

// credentials are what a URL may carry before its host.
var credentials = regexp.MustCompile(`://[^/@\s]*@`)

// auditArgs are a command's arguments and the flags that were given, in the order of
// their names. No flag takes a secret, but a URL can have one in it, and so can what
// was typed by mistake behind it.
func auditArgs(c *cobra.Command, args []string) []string {
	out := []string{}
	add := func(text string) {
		out = append(out, credentials.ReplaceAllString(text, "://***@"))
	}
	for _, arg := range args {
		add(arg)
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains([]string{"dir", "json", "quiet", "verbose"}, f.Name) {
			return // where, and how it was shown
		}
		if f.Value.Type() == "bool" && f.Value.String() == "true" {
			add("--" + f.Name)
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok { // it was given once for each
			for _, value := range list.GetSlice() {
				add("--" + f.Name + "=" + value)
			}
			return
		}
		add("--" + f.Name + "=" + f.Value.String())
	})
	return out
}
