// Package templates holds, embedded in the binary, everything that regctl
// renders: the Compose file, the Nginx configuration and the registry's.
//
// The tree under stack mirrors the deployment directory; pkg/compose fills it
// from regctl.yaml. The comments in the templates are for the person who opens
// the rendered file, who may never have heard of regctl.
package templates

import (
	"embed"
	"io/fs"
)

//go:embed stack
var files embed.FS

// Stack is the tree of templates of a deployment. A file's path less ".tmpl" is
// where its rendering goes, relative to the deployment directory.
func Stack() fs.FS {
	sub, err := fs.Sub(files, "stack")
	if err != nil {
		panic(err) // the embed directive above guarantees the directory
	}
	return sub
}
