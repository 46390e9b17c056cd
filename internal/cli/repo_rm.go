package cli

import (
	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/storage"
)

func newRepoRmCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "rm REPOSITORY...", Aliases: []string{"remove"}, Short: "Remove repositories with all that no other one needs",
		Long: `Remove repositories with all their tags and manifests, and what nothing else in the
registry needs. Those nested in them stay: team/app is not a part of team. It is a
garbage collection that takes them too: regctl gc undo puts them back until their
trash is freed, and what is younger than gc.grace goes with a later one.

Repositories with immutable tags are refused.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s takes the names of repositories", cmd.CommandPath())
			}
			for _, name := range args {
				if !storage.ValidRepository(name) {
					return usagef("%q is no name of a repository", name)
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runRemoval(cmd.Context(), root, "repo rm", removal{Repositories: args})
		},
	}
	c.Flags().StringVar(&root, "root", "", rootHelp)
	return c
}
