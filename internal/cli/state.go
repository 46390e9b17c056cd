package cli

import (
	"encoding/json"
	"os"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
)

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// writeJSON writes regctl's own state, for nobody else to read.
func writeJSON(l compose.Layout, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(l.Path(name), append(data, '\n'), 0o600)
}
