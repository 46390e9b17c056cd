package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/regctl/regctl/pkg/config"
)

// age is a flag's duration, written as in regctl.yaml (7d, 1h30m) or as Go has it
// (1.5h, 0).
type age time.Duration

func ageVar(f *pflag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	f.Var((*age)(p), name, usage)
}

// Set implements [pflag.Value].
func (a *age) Set(s string) error {
	if d, err := time.ParseDuration(s); err == nil {
		*a = age(d)
		return nil
	}
	d, err := config.ParseDuration(s)
	*a = age(d)
	return err
}

// String implements [pflag.Value].
func (a *age) String() string { return config.Duration(*a).String() }

// Type implements [pflag.Value].
func (a *age) Type() string { return "duration" }
