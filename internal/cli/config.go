package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

func newConfigCommand(a *App) *cobra.Command {
	c := group("config", "Print the effective configuration: regctl.yaml with its defaults",
		&cobra.Command{
			Use: "validate", Short: "Check regctl.yaml and list every fault", Args: noArgs,
			RunE: func(*cobra.Command, []string) error { return a.runConfigValidate() },
		},
		&cobra.Command{
			Use: "schema", Short: "Print the JSON schema of regctl.yaml", Args: noArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := a.Out.Write(config.Schema())
				return err
			},
		},
	)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("%s has no command %q", cmd.CommandPath(), args[0])
		}
		return a.runConfig()
	}
	return c
}

// effective is a configuration with every default, as YAML or JSON.
type effective struct{ *config.Config }

func (e effective) Text(w io.Writer) { w.Write(e.Effective()) }

// MarshalJSON is the configuration's own, not that of a struct around it.
func (e effective) MarshalJSON() ([]byte, error) { return json.Marshal(e.Config) }

func (a *App) runConfig() error {
	d, err := a.open()
	if err != nil {
		return err
	}
	return a.ui.Result(effective{d.cfg})
}

type validateResult struct {
	File   string         `json:"file" doc:"path of the file"`
	Valid  bool           `json:"valid" doc:"no fault was found"`
	Faults []config.Fault `json:"faults" doc:"each with path, line (0: none) and message"`
}

func (r validateResult) Text(w io.Writer) {
	if r.Valid {
		fmt.Fprintf(w, "%s is valid\n", r.File)
	}
}

func (a *App) runConfigValidate() error {
	d, err := a.open()
	var invalid *config.Invalid
	switch {
	case errors.As(err, &invalid) && a.ui.JSON:
		if err := a.ui.Result(validateResult{File: invalid.File, Faults: invalid.Faults}); err != nil {
			return err
		}
		return err
	case err != nil:
		return err
	}
	return a.ui.Result(validateResult{File: d.Path(compose.ConfigFile), Valid: true, Faults: []config.Fault{}})
}
