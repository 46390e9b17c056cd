//go:build integration

package integration

import (
	"maps"

	"strings"
	"testing"
	"time"
)

// smokeOutput is the JSON of `regctl smoke`, as far as tests ask.
type smokeOutput struct {
	OK    bool
	Bytes int64
	Steps []struct {
		Name, Cause, Meaning, Error string
		OK                          bool
	}
	Leftovers []string
}

// failed is the first step that failed, with its cause.
func (s smokeOutput) failed() (step, cause, meaning string) {
	for _, step := range s.Steps {
		if !step.OK {
			return step.Name, step.Cause, step.Meaning
		}
	}
	return "", "", ""
}

// TestSmoke runs `regctl smoke` on a stack that is well, and then on one that is
// broken in each of the ways that can be had cheaply: it has to tell which.
func TestSmoke(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			testSmokeWell(t, d)
			for _, fault := range smokeFaults {
				t.Run(fault.name, func(t *testing.T) { testSmokeFault(t, d, fault) })
			}
			testSmokeWell(t, d) // every fault is mended: what follows it proves something
		})
	}
}

func testSmokeWell(t *testing.T, d *deployment) {
	t.Helper()
	var out smokeOutput
	before := d.smokeTags(t)
	r := d.must(t, "smoke", "--size", "1", "--json")
	r.json(t, &out)
	if !out.OK || len(out.Steps) < 8 || out.Bytes < 1<<20 || len(out.Leftovers) != 0 {
		t.Errorf("smoke: %v", r)
	}
	for _, step := range out.Steps {
		if !step.OK {
			t.Errorf("smoke passed with a failed step: %+v", step)
		}
	}
	// Neither its user nor anything pushed stays.
	var list struct{ Users []struct{ Name string } }
	d.must(t, "user", "ls", "--json").json(t, &list)
	if len(list.Users) != 1 || list.Users[0].Name != d.user {
		t.Errorf("users after smoke: %v, want %s alone", list.Users, d.user)
	}
	if after := d.smokeTags(t); after != before {
		t.Errorf("tags after smoke: %s, before: %s", after, before)
	}
}

// smokeTags lists the tags in the repository that smoke pushes to.
func (d *deployment) smokeTags(t *testing.T) string {
	t.Helper()
	var list struct{ Tags []string }
	decode(t, d.get(t, "/v2/regctl/smoke/tags/list").body, &list) // an error has none
	return strings.Join(list.Tags, " ")
}

// smokeFault is a way to break a running stack.
type smokeFault struct {
	name string
	// make breaks it and returns what mends it.
	make  func(t *testing.T, d *deployment) (mend func())
	args  []string
	stdin string
	step  string // that fails
	or    string // also good
	cause string
	// leftovers: the fault keeps smoke from cleaning up.
	leftovers bool
}

var smokeFaults = []smokeFault{
	{
		name: "registry stopped",
		make: func(t *testing.T, d *deployment) func() {
			tool(t, d.composeCommand("stop", "registry")...)
			return func() {
				tool(t, d.composeCommand("start", "registry")...)
				d.awaitAnswer(t)
			}
		},
		// For a second after an answer Nginx does not ask again.
		step: "challenge", or: "login", cause: "registry_unreachable",
	},
	{
		name: "auth stopped",
		make: func(t *testing.T, d *deployment) func() {
			tool(t, d.composeCommand("stop", "auth")...)
			return func() {
				tool(t, d.composeCommand("start", "auth")...)
				d.awaitAnswer(t)
			}
		},
		// For a second after an answer Nginx does not ask again.
		step: "challenge", or: "login", cause: "registry_unreachable",
	},
	{
		name: "stack down",
		make: func(t *testing.T, d *deployment) func() {
			d.must(t, "down")
			return func() { d.must(t, "up") }
		},
		step: "connect", cause: "connection_refused",
	},
	{
		name: "wrong password",
		make: func(*testing.T, *deployment) func() { return func() {} },
		args: []string{"--user", "admin", "--password-stdin"}, stdin: "not the password",
		step: "login", cause: "credentials_refused",
	},
	{
		name: "another CA",
		make: func(t *testing.T, d *deployment) func() {
			good := d.read(t, "certs/ca.pem")
			other := initialised(t, options{})
			d.write(t, "certs/ca.pem", other.read(t, "certs/ca.pem"))
			return func() { d.write(t, "certs/ca.pem", good) }
		},
		step: "tls", cause: "certificate_unknown_authority",
	},
	{
		name: "body size limited",
		make: nginxEdit("client_max_body_size 0;", "client_max_body_size 100k;"),
		step: "push image", cause: "body_too_large",
	},
	{
		name: "registry takes no deletes",
		make: registryEdit("    enabled: true # without it", "    enabled: false # without it"),
		step: "delete", cause: "delete_disabled", leftovers: true,
	},
	{
		name: "plain HTTP in Location",
		make: func(t *testing.T, d *deployment) func() {
			registry := registryEdit("relativeurls: true", "relativeurls: false")(t, d)
			nginx := nginxEdit("X-Forwarded-Proto $scheme", "X-Forwarded-Proto http")(t, d)
			return func() { registry(); nginx() }
		},
		step: "upload", cause: "location_plain_http",
	},
	{
		name: "other port in Location",
		make: func(t *testing.T, d *deployment) func() {
			registry := registryEdit("relativeurls: true", "relativeurls: false")(t, d)
			nginx := nginxEdit("Host $door_host", "Host $host")(t, d)
			return func() { registry(); nginx() }
		},
		step: "upload", cause: "location_other_port",
	},
}

func testSmokeFault(t *testing.T, d *deployment, fault smokeFault) {
	mend := fault.make(t, d)
	users := d.read(t, "auth/htpasswd")
	r := d.regctlInput(t, fault.stdin, append([]string{"smoke", "--size", "1", "--json"}, fault.args...)...)
	kept := d.read(t, "auth/htpasswd")
	mend()
	r.want(t, 1, "usually: ", "hint: ")
	var out smokeOutput
	r.json(t, &out)
	step, cause, meaning := out.failed()
	if out.OK || step != fault.step && step != fault.or || cause != fault.cause || meaning == "" {
		t.Errorf("failed at %q because of %q (%s), want %q because of %q\n%v", step, cause, meaning, fault.step, fault.cause, r)
	}
	if got := len(out.Leftovers) > 0; got != fault.leftovers {
		t.Errorf("left behind: %v, want any: %v", out.Leftovers, fault.leftovers)
	}
	if kept != users {
		t.Errorf("the user file was %q before and is %q after", users, kept)
	}
}

// nginxEdit is an edit by hand of nginx.conf, loaded without regctl.
func nginxEdit(old, new string) func(*testing.T, *deployment) func() {
	return func(t *testing.T, d *deployment) func() {
		good := d.read(t, "nginx/nginx.conf")
		load := func() { d.reloadNginx(t) }
		if !strings.Contains(good, old) {
			t.Fatalf("nginx.conf does not contain %q", old)
		}
		d.write(t, "nginx/nginx.conf", strings.ReplaceAll(good, old, new))
		load()
		return func() {
			d.write(t, "nginx/nginx.conf", good)
			load()
		}
	}
}

// registryEdit is an edit by hand of the registry's configuration.
func registryEdit(old, new string) func(*testing.T, *deployment) func() {
	return func(t *testing.T, d *deployment) func() {
		good := d.read(t, "registry/config.yml")
		load := func() {
			tool(t, d.composeCommand("restart", "registry")...)
			d.awaitAnswer(t)
		}
		d.replace(t, "registry/config.yml", old, new)
		load()
		return func() {
			d.write(t, "registry/config.yml", good)
			load()
		}
	}
}

// awaitAnswer waits until the registry answers through the front door.
func (d *deployment) awaitAnswer(t *testing.T) {
	t.Helper()
	c := d.client(t)
	eventually(t, 20*time.Second, "the registry answers", func() bool {
		got, err := send(c, d.request(t, "GET", "/v2/", nil))
		return err == nil && got.StatusCode == 200
	})
}

// reloadNginx makes Nginx load its configuration and waits until its old workers
// take no more connections: the new ones are children with other numbers.
func (d *deployment) reloadNginx(t *testing.T) {
	t.Helper()
	workers := func() map[string]bool {
		found := map[string]bool{}
		for line := range strings.Lines(tool(t, "docker", "top", d.containerID(t, "nginx"), "-o", "pid,args")) {
			pid, args, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.Contains(args, "worker process") && !strings.Contains(args, "shutting down") {
				found[pid] = true
			}
		}
		return found
	}
	before := workers()
	tool(t, "docker", "kill", "--signal", "HUP", d.containerID(t, "nginx"))
	eventually(t, 20*time.Second, "nginx has workers with the new configuration", func() bool {
		now := workers()
		old := maps.Clone(now)
		maps.DeleteFunc(old, func(pid string, _ bool) bool { return !before[pid] })
		return len(now) > 0 && len(old) == 0
	})
}
