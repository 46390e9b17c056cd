package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// stamped is set by the linker (Makefile): the version that was built.
var stamped string

type versionInfo struct {
	Version string `json:"version" doc:"of regctl"`
	Go      string `json:"go" doc:"what built it"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (v versionInfo) Text(w io.Writer) {
	fmt.Fprintf(w, "regctl %s (%s %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
}

func version() versionInfo {
	v := versionInfo{Version: stamped, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if v.Version == "" {
		v.Version = "devel"
		// `go install …@v1` stamps nothing, but knows the module's version.
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
	}
	return v
}

func newVersionCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.ui.Result(version()) },
	}
}
