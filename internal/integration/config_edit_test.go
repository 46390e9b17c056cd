//go:build integration

package integration

import (
	"testing"

	"go.yaml.in/yaml/v4"
)

// setConfig sets a value in regctl.yaml: the one of section, or of a key in it.
func (d *deployment) setConfig(t *testing.T, section, key string, value any) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(d.read(t, "regctl.yaml")), &tree); err != nil {
		t.Fatal(err)
	}
	if key == "" {
		tree[section] = value
	} else {
		inner, _ := tree[section].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		inner[key] = value
		tree[section] = inner
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	d.write(t, "regctl.yaml", string(text))
}
