package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/certs/acme"
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
