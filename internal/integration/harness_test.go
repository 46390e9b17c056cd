//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// options say how a deployment differs from the usual one: localhost, its own
// CA, registry 3, published on 127.0.0.1.
type options struct {
	registry string   // image; "": registry 3
	nginx    string   // image
	domain   string   // "": localhost
	httpPort bool     // publish plain HTTP too
	project  string   // "": one of its own
	initArgs []string // more flags for init
	env      []string // more environment for every regctl of this deployment
}

// deployment is a deployment directory of a test. Everything that goes by its
// project name is removed when the test ends.
type deployment struct {
	dir       string
	project   string
	domain    string
	httpsPort int
	httpPort  int // 0: none
	user      string
	password  string // once init has made it
	env       []string
	opts      options
	trusted   string // what clients trust, "": the deployment's own CA
}

// stack is a deployment that is up.
func stack(t *testing.T, o options) *deployment {
	t.Helper()
	d := initialised(t, o)
	d.must(t, "up")
	return d
}

// initialised is a deployment that was never started.
func initialised(t *testing.T, o options) *deployment {
	t.Helper()
	d := planned(t, o)
	d.init(t)
	return d
}

// planned is a deployment of which nothing exists yet but its name, its ports
// and an empty parent directory.
func planned(t *testing.T, o options) *deployment {
	t.Helper()
	d := &deployment{
		dir:       filepath.Join(t.TempDir(), "reg"),
		project:   o.project,
		domain:    o.domain,
		httpsPort: freePort(t),
		user:      "admin",
		env:       o.env,
		opts:      o,
	}
	if d.project == "" {
		d.project = newProject()
	}
	if d.domain == "" {
		d.domain = "localhost"
	}
	if o.httpPort {
		d.httpPort = freePort(t)
	}
	t.Cleanup(func() {
		// Also when the test's own time is up.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if t.Failed() {
			t.Logf("the stack of %s at the end:\n%s", d.project, describeProject(ctx, d.project))
		}
		if err := removeProject(ctx, d.project); err != nil {
			t.Errorf("not everything is gone: %v", err)
		}
	})
	return d
}

// newProject is a project name that is removed by a later run if this one is
// killed: see sweep.
func newProject() string {
	var b [4]byte
	rand.Read(b[:])
	return fmt.Sprintf("%s%d-%s", projectPrefix, os.Getpid(), hex.EncodeToString(b[:]))
}

// initArgs is the command line of init for this deployment.
func (d *deployment) initArgs() []string {
	registry, nginx := d.opts.registry, d.opts.nginx
	if registry == "" {
		registry = imageRegistry3
	}
	if nginx == "" {
		nginx = imageNginx
	}
	args := []string{"init", d.dir, "--json", "--domain", d.domain, "--bind", "127.0.0.1",
		"--https-port", strconv.Itoa(d.httpsPort), "--http-port", strconv.Itoa(d.httpPort),
		"--project", d.project, "--registry-image", registry, "--nginx-image", nginx}
	return append(args, d.opts.initArgs...)
}

// init runs `regctl init` and remembers the first user's password.
func (d *deployment) init(t *testing.T) {
	t.Helper()
	r := d.regctl(t, d.initArgs()...)
	if r.status != 0 {
		t.Fatalf("%v", r)
	}
	var out struct{ User, Password string }
	r.json(t, &out)
	if out.User == "" || out.Password == "" {
		t.Fatalf("init gave no user or password: %v", r)
	}
	d.user, d.password = out.User, out.Password
}

// host is what clients call the registry: domain:port.
func (d *deployment) host() string { return net.JoinHostPort(d.domain, strconv.Itoa(d.httpsPort)) }

// url is the front door with a path.
func (d *deployment) url(path string) string { return "https://" + d.host() + path }

// address is where the front door is published.
func (d *deployment) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.httpsPort))
}

func (d *deployment) path(name string) string { return filepath.Join(d.dir, name) }

// ca is the CA that clients are given.
func (d *deployment) ca() string {
	if d.trusted != "" {
		return d.trusted
	}
	return d.path("certs/ca.pem")
}

// write puts a file into the deployment directory, as an editor would.
func (d *deployment) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.path(name), content, 0o644)
}

// read reads a file of the deployment directory.
func (d *deployment) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// replace edits a file of the deployment directory; old has to be there.
func (d *deployment) replace(t *testing.T, name, old, new string) {
	t.Helper()
	text := d.read(t, name)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not contain %q:\n%s", name, old, text)
	}
	d.write(t, name, strings.Replace(text, old, new, 1))
}

// writeFile writes a file, with the test's failure for an error.
func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// rename renames a file, with the test's failure for an error.
func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

var portsMu sync.Mutex
var portsGiven = map[int]bool{}

// freePort finds a port on 127.0.0.1 that is free and stays so: it lies below
// the range from which the kernel takes ports for outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 200 {
		port := 20000 + mathrand.IntN(12000)
		if portsGiven[port] {
			continue
		}
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l.Close()
		portsGiven[port] = true
		return port
	}
	t.Fatal("no free port")
	return 0
}

// decode reads JSON strictly enough to fail on an empty document.
func decode(t *testing.T, data string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), into); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
}

// eventually polls until ok returns true. It is for what no event announces;
// what is the state when the time is up says why.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
