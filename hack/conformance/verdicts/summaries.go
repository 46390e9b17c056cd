package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

// readSummaries returns the runner's verdicts by API and by kind of content from its results.yaml.
func readSummaries(path string) ([]verdict, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report struct {
		APIs map[string]string `yaml:"apis"`
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var all []verdict
	for name, status := range report.APIs {
		all = append(all, verdict{strings.ToLower(status), "api " + name})
	}
	for name, status := range report.Data {
		all = append(all, verdict{strings.ToLower(status), "data " + name})
	}
	return all, nil
}
