package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/regctl/regctl/pkg/config"
)

// span is a flag's duration, written as in regctl.yaml (7d, 1h30m) or as Go has it
// (1.5h, 0).
type span time.Duration

func spanVar(f *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	f.Var((*span)(p), name, usage)
}

// Set implements [pflag.Value].
func (a *span) Set(s string) error {
	if d, err := time.ParseDuration(s); err == nil {
		*a = span(d)
		return nil
	}
	d, err := config.ParseDuration(s)
	*a = span(d)
	return err
}

// String implements [pflag.Value].
func (a *span) String() string { return config.Duration(*a).String() }

// Type implements [pflag.Value].
func (a *span) Type() string { return "duration" }
