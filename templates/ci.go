package templates

import (
	"embed"
	"io/fs"
)

//go:embed ci
var ciFiles embed.FS

// CI returns the snippets for pipelines, a file for each CI system, which
// pkg/pipeline fills. Each defines three templates: snippet, file (where the
// snippet belongs) and store (how the password gets into the CI system).
func CI() fs.FS {
	sub, err := fs.Sub(ciFiles, "ci")
	if err != nil {
		panic(err) // the embed directive above guarantees the directory
	}
	return sub
}
