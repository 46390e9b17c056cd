package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

// regctl.yaml takes exactly the DNS providers that there are.
func TestDNSProvidersAreThoseOfTheConfiguration(t *testing.T) {
	for _, name := range acme.DNSProviders() {
		c := config.New("reg", "registry.example.com", config.ModeLetsEncrypt)
		c.ACME.Challenge, c.ACME.DNS.Provider = config.DNS01, name
		if faults := c.Validate(); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
	c := config.New("reg", "registry.example.com", config.ModeLetsEncrypt)
	c.ACME.Challenge, c.ACME.DNS.Provider = config.DNS01, "x"
	faults := c.Validate()
	if len(faults) != 1 {
		t.Fatalf("%v", faults)
	}
	told := strings.NewReplacer(" or ", " ", ",", "", ";", "").Replace(strings.TrimPrefix(faults[0].Message, "has to be "))
	if names := strings.Fields(told)[:len(acme.DNSProviders())]; !slices.Equal(names, acme.DNSProviders()) {
		t.Errorf("it tells of %q", names)
	}
}

// An import onto a disk that is full leaves the pair before, or the new one
// whole; with room it works.
func TestImportOnFullDisk(t *testing.T) {
	t.Parallel()
	own := filepath.Join(memoryDir(t), "own")
	mustRun(t, "init", own, "--domain", "registry.example.com", "--tls", "selfsigned")
	live := filepath.Join(own, "certs/live/registry.example.com")
	failed, worked := 0, 0
	for free := 0; free <= 80 && worked < 2; free += 4 {
		dir := t.TempDir()
		script := fmt.Sprintf(`
			status() { regctl cert status --json -C %[1]s | grep '"fingerprint"' | head -n 1; }
			regctl init %[1]s --domain registry.example.com --https-port 1 --acme-server https://127.0.0.1:1/dir >/dev/null || exit 99
			status
			have=$(df -Pk %[1]s | awk 'NR==2 {print $4}')
			dd if=/dev/zero of=%[1]s/filler bs=1k count=$((have - %[3]d)) 2>/dev/null || exit 98
			regctl cert import -q -C %[1]s %[2]s
			echo "status $?"
			status
			rm %[1]s/filler
			regctl cert import -q -C %[1]s %[2]s
			echo "status $?"
			status
			find %[1]s -name '.regctl-tmp-*'`, dir, live, free)
		cmd := exec.Command("tinydisk", "size=4096k", dir, "sh", "-c", script)
		cmd.Env = noDocker()
		var said, lines strings.Builder
		cmd.Stdout, cmd.Stderr = &lines, &said
		cmd.Run() // the status says it
		switch cmd.ProcessState.ExitCode() {
		case 0:
		case statusNoDisk:
			if os.Getenv("CI") != "" {
				t.Fatalf("run the tests as root, or where a user may mount: %s", &said)
			}
			t.Skipf("NOT TESTED: only root can mount a small disk here: %s", &said)
		default:
			t.Fatalf("%v\n%s%s", cmd.ProcessState, &lines, &said)
		}
		var got []string
		for line := range strings.Lines(lines.String()) {
			got = append(got, strings.TrimSpace(line))
		}
		if len(got) != 5 {
			t.Fatalf("with %d KiB: %q\n%s", free, got, &said)
		}
		before, first, now, second, after := got[0], got[1], got[2], got[3], got[4]
		switch first {
		case "status 1":
			failed++
			if now != before || !strings.Contains(said.String(), "no space left on device") {
				t.Errorf("with %d KiB: not as before, or not told: %q\n%s", free, got, &said)
			}
		case "status 5": // there is no Docker to tell nginx
			worked++
			if now == before {
				t.Errorf("with %d KiB: nothing was taken over: %q", free, got)
			}
		default:
			t.Errorf("with %d KiB: %q\n%s", free, got, &said)
		}
		if after == before || second != "status 5" && second != "status 0" {
			t.Errorf("with room again: %q\n%s", got, &said)
		}
	}
	if failed < 2 || worked == 0 {
		t.Errorf("failed %d times, worked %d times", failed, worked)
	}
}

// What cert status says of a bootstrap pair is one JSON document with every list
// there.
func TestCertStatusJSON(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(memoryDir(t), "d")
	mustRun(t, "init", dir, "--domain", "registry.example.com", "--https-port", "1")
	out, status := run(t, "cert", "status", "--json", "-C", dir)
	var doc map[string]any
	if err := json.Unmarshal([]byte(out), &doc); err != nil || status != statusProblems {
		t.Fatalf("status %d, %v: %s", status, err, out)
	}
	for _, list := range []string{"names", "problems"} {
		if _, ok := doc[list].([]any); !ok {
			t.Errorf("%s is %v", list, doc[list])
		}
	}
}

// Without a terminal the CA is not asked on the minute; the wait holds no lock and
// can be interrupted.
func TestRenewWaitsWithoutTheLock(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(memoryDir(t), "d")
	mustRun(t, "init", dir, "--domain", "registry.example.com", "--https-port", "1", "--agree-tos", "--acme-server", "https://127.0.0.1:1/dir")
	cmd := exec.Command("regctl", "cert", "renew", "-v", "-C", dir)
	cmd.Env = noDocker()
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "asking the CA in ") {
		t.Errorf("it said %q", lines.Text())
	}
	if out, status := run(t, "cert", "renew", "--no-jitter", "-C", dir); status != statusOutside {
		t.Errorf("another one: status %d\n%s", status, out)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	cmd.Wait() // the status says it
	if status := cmd.ProcessState.ExitCode(); status != statusInterrupted {
		t.Errorf("status %d", status)
	}
}

// When the CA wants a certificate renewed is drawn once, also when the run that
// has drawn it waits and is killed.
func TestDrawOutlivesTheWait(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	ca := httptest.NewUnstartedServer(nil)
	ca.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dir" {
			fmt.Fprintf(w, `{"newOrder": %[1]q, "renewalInfo": %[1]q}`, ca.URL+"/ari")
			return
		}
		asked.Add(1)
		fmt.Fprint(w, `{"suggestedWindow": {"start": "2100-01-01T00:00:00Z", "end": "2101-01-01T00:00:00Z"}}`)
	})
	ca.StartTLS()
	defer ca.Close()
	dir := memoryDir(t)
	trusted := filepath.Join(dir, "trusted.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	d, own := filepath.Join(dir, "d"), filepath.Join(dir, "own")
	mustRun(t, "init", own, "--domain", "registry.example.com", "--tls", "selfsigned")
	mustRun(t, "init", d, "--domain", "registry.example.com", "--https-port", "1", "--agree-tos", "--acme-server", ca.URL+"/dir", "--acme-ca", trusted)
	if out, status := run(t, "cert", "import", "-q", "-C", d, filepath.Join(own, "certs/live/registry.example.com")); status != statusOutside {
		t.Fatalf("status %d: %s", status, out)
	}
	conf, err := os.ReadFile(filepath.Join(d, "regctl.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	conf = bytes.Replace(conf, []byte("\ntls:\n"), []byte("\ntls:\n  names: [b.example.com]\n"), 1)
	if err := os.WriteFile(filepath.Join(d, "regctl.yaml"), conf, 0o644); err != nil {
		t.Fatal(err)
	}
	var drawn []time.Time
	for range 2 {
		cmd := exec.Command("regctl", "cert", "renew", "-v", "-C", d)
		cmd.Env = noDocker()
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(said); lines.Scan() && !strings.HasPrefix(lines.Text(), "asking the CA in "); {
		}
		cmd.Process.Kill()
		cmd.Wait() // it was killed
		s, err := renewal.Load(filepath.Join(d, renewalFile))
		if err != nil || s.Window == nil {
			t.Fatalf("%v: nothing is known of the CA's window", err)
		}
		drawn = append(drawn, s.Window.Draw)
	}
	if n := asked.Load(); n != 1 || !drawn[0].Equal(drawn[1]) {
		t.Errorf("asked %d times, drawn %v", n, drawn)
	}
}

// What needs a person, by what is left and what failed.
func TestProblemsOfACertificate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	leaf := func(over, left time.Duration) *certs.Leaf {
		return &certs.Leaf{Names: []string{"registry.example.com"}, KeyType: "EC P-256", NotBefore: now.Add(-over), NotAfter: now.Add(left)}
	}
	failed := &renewal.Attempt{At: now.Add(-time.Hour), Count: 3, Error: "no DNS", Next: now.Add(time.Hour)}
	for _, tt := range []struct {
		name    string
		leaf    *certs.Leaf
		stopgap bool
		attempt *renewal.Attempt
		want    string // "" for none
	}{
		{"young", leaf(10*day, 80*day), false, nil, ""},
		{"young, the last attempt failed", leaf(10*day, 80*day), false, failed, ""},
		{"a third left, failed", leaf(60*day, 30*day), false, failed, ""},
		{"under a quarter left", leaf(68*day, 22*day), false, nil, ""},
		{"under a quarter left, failed", leaf(68*day, 22*day), false, failed, "ends in 22 days: the last attempt, at 2026-11-24 11:00Z, failed: no DNS"},
		{"a week's, a day left, failed", leaf(136*time.Hour, 24*time.Hour), false, failed, "ends in 1 days"},
		{"a week's, half left, failed", leaf(80*time.Hour, 80*time.Hour), false, failed, ""},
		{"expired", leaf(91*day, -day), false, nil, "has expired: regctl cert renew"},
		{"expired, failed", leaf(91*day, -day), false, failed, "has expired: the last attempt"},
		{"not begun", leaf(-day, 90*day), false, nil, "clock"},
		{"stopgap", leaf(0, 365*day), true, nil, "no certificate was issued yet"},
		{"stopgap, failed", leaf(0, 365*day), true, failed, "no DNS"},
		{"none", nil, false, nil, "no certificate was issued yet"},
	} {
		r := &renewer{
			app:  &App{Now: func() time.Time { return now }},
			d:    &deployment{cfg: config.New("reg", "registry.example.com", config.ModeLetsEncrypt), Layout: compose.Layout{Dir: "/d"}},
			leaf: tt.leaf, stopgap: tt.stopgap, state: renewal.State{Attempt: tt.attempt},
		}
		next, problems := r.problemsOf()
		if got := strings.Join(problems, "; "); tt.want == "" && got != "" || !strings.Contains(got, tt.want) || len(problems) > 1 {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if next == nil || next.IsZero() {
			t.Errorf("%s: no next renewal", tt.name)
		}
	}
}
