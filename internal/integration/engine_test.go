//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// container is what `docker inspect` says of a container, as far as a test asks.
type container struct {
	ID           string `json:"Id"`
	Name         string
	RestartCount int
	Image        string
	LogPath      string
	State        struct {
		Status    string
		StartedAt string
		ExitCode  int
		Health    struct{ Status string }
	}
	HostConfig struct {
		ReadonlyRootfs  bool
		Privileged      bool
		CapAdd, CapDrop []string
		SecurityOpt     []string
		LogConfig       struct {
			Type   string
			Config map[string]string
		}
		RestartPolicy struct{ Name string }
		Tmpfs         map[string]string
		PortBindings  map[string][]struct{ HostIp, HostPort string }
	}
	Mounts []struct {
		Type, Name, Source, Destination string
		RW                              bool
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
	Config struct{ Labels map[string]string }
}

// container inspects the container of a service.
func (d *deployment) container(t *testing.T, service string) container {
	t.Helper()
	id := d.containerID(t, service)
	if id == "" {
		t.Fatalf("%s has no container", service)
	}
	return inspect(t, id)
}

// containerID is the container of a service, "" for none.
func (d *deployment) containerID(t *testing.T, service string) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "docker", "ps", "--all", "--quiet", "--no-trunc",
		"--filter", "label=com.docker.compose.project="+d.project, "--filter", "label=com.docker.compose.service="+service))
}

func inspect(t *testing.T, id string) container {
	t.Helper()
	var found []container
	decode(t, tool(t, "docker", "inspect", id), &found)
	if len(found) != 1 {
		t.Fatalf("%d containers go by %s", len(found), id)
	}
	return found[0]
}

// services are those of a stack.
var services = []string{"registry", "auth", "nginx"}

// running is the containers of a stack with the times of their starts: equal
// before and after means that nothing was restarted or made anew.
func (d *deployment) running(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, service := range services {
		c := d.container(t, service)
		out[service] = c.ID[:12] + " since " + c.State.StartedAt
	}
	return out
}

// composeCommand is Docker Compose as a person types it in the directory, with
// no regctl.
func (d *deployment) composeCommand(args ...string) []string {
	return append([]string{"docker", "compose", "--project-directory", d.dir}, args...)
}

// exec runs a command inside a service's container.
func (d *deployment) exec(t *testing.T, service string, args ...string) result {
	t.Helper()
	return try(t, append([]string{"docker", "exec", d.containerID(t, service)}, args...)...)
}

// removeProject removes everything of a project: what Compose made, what regctl
// made beside it, and what a test labelled with testLabel. All containers go
// first, whoever made them: a network goes only when nothing is on it any more.
// What a killed regctl had asked the engine for may still be on its way, hence
// more than one try.
func removeProject(ctx context.Context, project string) error {
	var err error
	for range 3 {
		if err = removeOnce(ctx, project); err == nil {
			return nil
		}
		time.Sleep(time.Second)
	}
	return err
}

func removeOnce(ctx context.Context, project string) error {
	var errs []error
	for _, kind := range []string{"container", "network", "volume"} {
		for _, label := range []string{"com.docker.compose.project", "io.regctl.once", "io.regctl.drill", testLabel} {
			list := []string{kind, "ls", "--quiet", "--filter", "label=" + label + "=" + project}
			remove := []string{kind, "rm"}
			if kind == "container" {
				list, remove = append(list, "--all"), append(remove, "--force", "--volumes")
			}
			out, err := exec.CommandContext(ctx, "docker", list...).Output()
			if ids := strings.Fields(string(out)); err == nil && len(ids) > 0 {
				out, err = exec.CommandContext(ctx, "docker", append(remove, ids...)...).CombinedOutput()
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("removing each %s of %s: %w: %s", kind, project, err, lastLines(string(out), 3)))
			}
		}
	}
	return errors.Join(errs...)
}

// testLabel marks containers, networks and volumes that a test makes itself, with
// its deployment's project as the value, so that they go with it.
const testLabel = "io.regctl.integration"

// describeProject shows containers and their last lines, for a test that failed.
func describeProject(ctx context.Context, project string) string {
	var b strings.Builder
	out, _ := exec.CommandContext(ctx, "docker", "ps", "--all", "--filter", "label=com.docker.compose.project="+project,
		"--format", "{{.ID}} {{.Label \"com.docker.compose.service\"}} {{.Status}}").Output()
	for line := range strings.Lines(string(out)) {
		fmt.Fprintln(&b, strings.TrimSpace(line))
		id, _, _ := strings.Cut(line, " ")
		logs, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "12", id).CombinedOutput()
		for line := range strings.Lines(string(logs)) {
			fmt.Fprintf(&b, "  %.400s\n", strings.TrimSpace(line))
		}
	}
	if b.Len() == 0 {
		return "no containers"
	}
	return b.String()
}
