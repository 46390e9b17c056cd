// Command regctl gives one person, on one host, a private container registry.
package main

import (
	"os"

	"github.com/regctl/regctl/internal/cli"
)

func main() { os.Exit(cli.Main()) }
