//go:build integration

package integration

import (
	"net/http"
	"testing"
)

// TestConfigNonsense edits regctl.yaml to nonsense while the stack runs: no
// command touches anything.
func TestConfigNonsense(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	good := d.read(t, "regctl.yaml")
	file := d.path("regctl.yaml")
	for _, c := range []struct {
		name, text string
		says       []string
	}{
		{"not YAML", "domain: [", []string{file, "line 1"}},
		{"not text", "\x00\xff\xfe", []string{file}},
		{"empty", "", []string{file}},
		{"unknown key", good + "nonsense: 1\n", []string{file, "nonsense: unknown key", "line "}},
		{"key twice", good + "domain: other.example\n", []string{file, "domain", "line "}},
		{"two faults", good + "nonsense: 1\nstop_grace: soon\n", []string{file, "nonsense", "stop_grace"}},
		{"two documents", good + "---\n" + good, []string{file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.write(t, "regctl.yaml", c.text)
			d.untouched(t, func() {
				for _, args := range [][]string{
					{"up"}, {"up", "--force"}, {"up", "--dry-run"}, {"render"}, {"diff"}, {"restart"}, {"down"},
					{"status"}, {"logs"}, {"smoke"}, {"user", "add", "somebody"}, {"config"}, {"config", "validate"},
				} {
					r := d.regctl(t, args...)
					r.want(t, 4, c.says...)
					if r.stdout != "" {
						t.Errorf("something on standard output: %v", r)
					}
				}
			})
			if got := d.login(t, d.user, d.password); got != http.StatusOK {
				t.Errorf("login: %d", got)
			}
		})
	}
	d.write(t, "regctl.yaml", good)
	d.untouched(t, func() { d.must(t, "up") })
}
