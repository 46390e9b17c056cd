package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagChecks looks at one flag of a command.
func flagChecks(t *testing.T, c *cobra.Command) func(*pflag.Flag) {
	return func(f *pflag.Flag) {
		if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
			t.Errorf("%s --%s: usage is %q", c.CommandPath(), f.Name, f.Usage)
		}
		// A flag's value is in the process list for every user to read.
		for _, word := range []string{"password", "secret", "token", "passphrase"} {
			if strings.Contains(f.Name, word) && f.Value.Type() != "bool" && !strings.HasSuffix(f.Name, "-file") {
				t.Errorf("%s --%s takes a secret as its value", c.CommandPath(), f.Name)
			}
		}
		if strings.ToLower(f.Name) != f.Name || strings.Contains(f.Name, "_") {
			t.Errorf("%s --%s: not spelled as flags are", c.CommandPath(), f.Name)
		}
	}
}
