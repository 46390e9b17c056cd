// Command docgen writes the documents that are generated from the code: the
// reference of the command line and of its JSON, man pages, the findings of doctor, the example of regctl.yaml and its
// JSON schema. CI compares them with what is committed.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/regctl/regctl/internal/cli"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/doctor"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	root := cli.NewRoot(&cli.App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: os.Getenv, Now: time.Now})
	hideVersion(root)
	for _, sub := range []string{"cli", "man"} {
		// Made anew, so that the page of a command that is gone goes too.
		if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	if err := doc.GenMarkdownTree(root, filepath.Join(dir, "cli")); err != nil {
		return err
	}
	// A fixed date: generating twice gives the same bytes.
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "regctl", Manual: "regctl", Date: &date}, filepath.Join(dir, "man")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "json.md"), []byte(cli.JSONReference()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "doctor.md"), []byte(doctor.Markdown()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "regctl.example.yaml"), config.Example(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "regctl.schema.json"), config.Schema(), 0o644)
}

// hideVersion takes out what differs from build to build.
func hideVersion(root *cobra.Command) {
	root.Version = ""
	root.DisableAutoGenTag = true
	for _, c := range root.Commands() {
		c.DisableAutoGenTag = true
	}
}
