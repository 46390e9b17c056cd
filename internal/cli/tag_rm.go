package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/storage"
)

func newTagRmCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "rm REPOSITORY:TAG...", Aliases: []string{"remove"}, Short: "Remove tags with what nothing else needs",
		Long: `Remove tags, and their images unless another tag, an index or a running container
needs them. It is a garbage collection that takes them too: regctl gc undo puts
them back until their trash is freed, and what is younger than gc.grace goes with
a later one.

Immutable tags are refused.`,
		Example: `  regctl tag rm team/app:old team/app:older
  regctl tag rm team/app:old --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s takes tags as REPOSITORY:TAG", cmd.CommandPath())
			}
			_, err := parseTagged(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			tags, err := parseTagged(args)
			if err != nil {
				return err
			}
			return a.runRemoval(cmd.Context(), root, "tag rm", removal{Tags: tags})
		},
	}
	c.Flags().StringVar(&root, "root", "", rootHelp)
	return c
}

func parseTagged(args []string) (tags []taggedAs, err error) {
	for _, arg := range args {
		repository, tag, ok := strings.Cut(arg, ":")
		if !ok || !storage.ValidRepository(repository) || !storage.ValidTag(tag) {
			return nil, usagef("%q is not REPOSITORY:TAG, without the registry's host", arg)
		}
		tags = append(tags, taggedAs{repository, tag})
	}
	return tags, nil
}
