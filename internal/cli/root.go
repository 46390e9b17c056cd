package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// NewRoot builds the whole command tree. It touches nothing outside: documents
// are generated from it.
func NewRoot(a *App) *cobra.Command {
	a.ui.Out, a.ui.Err, a.ui.Plain = a.Out, a.Err, a.Getenv != nil && a.Getenv("NO_COLOR") != ""
	root := &cobra.Command{
		Use:   "regctl",
		Short: "A private container registry on one host",
		Long: `regctl gives one person, on one host, a private container registry: it writes,
starts and looks after a Docker Compose stack of the CNCF registry behind Nginx,
with TLS and passwords.

Begin with:
  regctl init /opt/registry --domain registry.example.com
  regctl up -C /opt/registry
`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Its suggestions are lines of their own in the error; see didYouMean.
		DisableSuggestions:         true,
		SuggestionsMinimumDistance: 2,
		Version:                    version().Version,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			a.started, a.running, a.args = true, cmd, args
			// A script's empty variable must not lead to another registry than was meant.
			if f := cmd.Flags().Lookup("root"); f != nil && f.Changed && f.Value.String() == "" {
				return usagef("--root names no directory")
			}
			return nil
		},
	}
	root.SetVersionTemplate("regctl {{.Version}}\n")
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetHelpTemplate(`{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}
` + statusHelp)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.dir, "dir", "C", "", "deployment directory (default: $REGCTL_DIR, else the working directory if it holds regctl.yaml, else "+defaultDir+")")
	flags.BoolVar(&a.ui.JSON, "json", false, "print the result as one JSON document")
	flags.BoolVarP(&a.ui.Quiet, "quiet", "q", false, "no progress on standard error")
	flags.BoolVarP(&a.ui.Verbose, "verbose", "v", false, "more on standard error")
	flags.BoolVarP(&a.yes, "yes", "y", false, "answer yes to a confirmation")
	flags.BoolVar(&a.dryRun, "dry-run", false, "print what would be done and change nothing")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)

	setup := &cobra.Group{ID: "setup", Title: "Set-up:"}
	users := &cobra.Group{ID: "users", Title: "Users:"}
	certificates := &cobra.Group{ID: "certificates", Title: "Certificates:"}
	store := &cobra.Group{ID: "storage", Title: "Storage:"}
	around := &cobra.Group{ID: "around", Title: "Around it:"}
	root.AddGroup(setup, users, certificates, store, around)
	add := func(g *cobra.Group, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = g.ID
			root.AddCommand(c)
		}
	}
	add(setup, newInitCommand(a), newUpCommand(a), newDownCommand(a), newRestartCommand(a),
		newStatusCommand(a), newDoctorCommand(a), newLogsCommand(a), newSmokeCommand(a),
		newConfigCommand(a), newDiffCommand(a), newRenderCommand(a))
	add(users, newUserCommand(a))
	add(certificates, newCertCommand(a))
	add(store, newGCCommand(a), newFsckCommand(a), newBackupCommand(a), newRestoreCommand(a), newRepoCommand(a), newTagCommand(a))
	add(around, newAuditCommand(a), newScheduleCommand(a), newCICommand(a), newImagesCommand(a), newVersionCommand(a))
	root.AddCommand(newInsideCommand(a))
	root.SetHelpCommandGroupID(around.ID)
	root.SetCompletionCommandGroupID(around.ID)
	return root
}

// noArgs and exactly are cobra's checks with errors that name the command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s, got %d arguments", cmd.CommandPath(), names, len(args))
		}
		return nil
	}
}

// group makes a command that only holds others: alone it shows its help, and a
// word that is none of them is an error.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q", cmd.CommandPath(), args[0])
			}
			return cmd.Help()
		},
	}
	c.AddCommand(subs...)
	return c
}

// checkBuiltins makes a word that cobra's own commands, help and completion, do
// not know an error: they would show their help and succeed.
func checkBuiltins(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return usagef("there is no command %q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.RunE = func(cmd *cobra.Command, args []string) error { return cmd.Help() }
			c.Args = func(_ *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usagef("there is no completion for %q", args[0])
				}
				return nil
			}
		}
	}
}
