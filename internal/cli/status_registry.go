package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/regctl/regctl/pkg/compose"
)

// registryMetrics asks the registry for its own metrics, inside its container: it
// is on no network, and its debug server listens on that container's loopback
// alone. Without a registry that runs there are none.
func (a *App) registryMetrics(ctx context.Context, d *deployment) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	e, err := a.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer e.Close()
	containers, err := e.Containers(ctx, d.cfg.Project)
	if err != nil {
		return "", err
	}
	if err := d.owns(containers); err != nil {
		return "", err
	}
	c, ok := find(containers, compose.ServiceRegistry)
	if !ok || !c.Running() {
		return "", nil
	}
	status, out, err := e.Exec(ctx, c.ID, "wget", "-q", "-O", "-", "http://127.0.0.1:5001/metrics")
	if err == nil && status != 0 {
		err = fmt.Errorf("wget inside its container: status %d, %s", status, strings.Join(strings.Fields(out), " "))
	}
	return out, err
}

var (
	metricComment = regexp.MustCompile(`^# (HELP|TYPE) registry_[A-Za-z0-9_:]* `)
	metricSample  = regexp.MustCompile(`^(registry_[A-Za-z0-9_:]*)(\{(.*)\})? ([^ ]+)$`)
)

// writeRegistryMetrics writes what the registry says of itself, with the project
// as one more label. What its runtime says (go_, process_) is left out:
// node_exporter has metrics of the same names of its own, and refuses a second one.
func writeRegistryMetrics(w io.Writer, text, project string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if metricComment.MatchString(line) {
			fmt.Fprintln(w, line)
			continue
		}
		m := metricSample.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		labels := label("project", project)
		if m[3] != "" {
			labels += "," + m[3]
		}
		fmt.Fprintf(w, "%s{%s} %s\n", m[1], labels, m[4])
	}
}
