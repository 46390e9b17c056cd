package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

// head is the least that a file has to say; what follows starts on line 4.
const head = "version: 1\nproject: reg\ndomain: localhost\n"

// What is left out of the groups.
var (
	noACME  = ACME{Challenge: "http-01", KeyType: "ec256", DNS: ACMEDNS{Resolvers: []string{}}}
	noHooks = Certs{Hooks: CertHooks{Deployed: []string{}, Timeout: 60e9}}
)

func TestParseDefaults(t *testing.T) {
	got, err := Parse([]byte(head))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Version: 1, Project: "reg", Domain: "localhost",
		HTTPSPort: 443, HTTPPort: 0,
		TLS:       TLS{Mode: "selfsigned", Names: []string{}},
		Registry:  Registry{Image: "registry:3.1.2", LogLevel: "warn"},
		Nginx:     Nginx{Image: "nginx:1.30.6-alpine"},
		StopGrace: 300e9,
		Immutable: []string{},
		GC:        GC{UntaggedOlderThan: 3 * 24 * 3600e9, Grace: 3600e9, KeepTrash: 24 * 3600e9, KeepRunning: true},
		Retention: Retention{MaxDelete: 50, Rules: []RetentionRule{}},
		Schedule:  Schedule{Cert: "six-hourly", GC: "off", Purge: "daily", Backup: "off", Fsck: "off", Drill: "off", Prune: "off"},
		Backup:    Backup{Recipients: []string{}},
		Users:     Users{Cost: 10},
		ACME:      noACME,
		Certs:     noHooks,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if made := New("reg", "localhost", ""); !reflect.DeepEqual(made, want) {
		t.Errorf("New gives %+v\nwant %+v", made, want)
	}
}

func TestParseEverything(t *testing.T) {
	got, err := Parse([]byte(`---
version: 1
project: "reg-2_x"
domain: 'registry.example.com'   # a comment
bind: 2001:db8::1
https_port: 5443
http_port: 8080
tls: {mode: files, cert: certs/my.pem, key: /etc/ssl/my.key}
acme: {}
registry:
  image: regctl.local/registry:2
  log_level: debug
nginx:
  image: regctl.local/nginx
stop_grace: 1m30s
gc: {delete_untagged: true, untagged_older_than: 7d, grace: 2h, keep_trash: 0s, cosign_tags: true, keep_running: false}
retention:
  max_delete: 20
  rules:
    - repositories: ["team/**", app]
      tags: [ci-*]
      keep_last: 10
      keep_within: 90d
      keep_pulled_within: 30d
      keep_tags: [v*, latest]
      keep_semver: {majors: 3, minors: 5, patches: 2}
    - {repositories: ["**"], keep_last: 1}
schedule: {cert: 17 3 * * *, gc: weekly}
users:
  cost: 12
...
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Version: 1, Project: "reg-2_x", Domain: "registry.example.com", Bind: "2001:db8::1",
		HTTPSPort: 5443, HTTPPort: 8080,
		TLS:       TLS{Mode: "files", Names: []string{}, Cert: "certs/my.pem", Key: "/etc/ssl/my.key"},
		Registry:  Registry{Image: "regctl.local/registry:2", LogLevel: "debug"},
		Nginx:     Nginx{Image: "regctl.local/nginx"},
		StopGrace: 90e9,
		Immutable: []string{},
		GC:        GC{DeleteUntagged: true, UntaggedOlderThan: 7 * 24 * 3600e9, Grace: 2 * 3600e9, CosignTags: true},
		Retention: Retention{MaxDelete: 20, Rules: []RetentionRule{
			{Repositories: []string{"team/**", "app"}, Tags: []string{"ci-*"}, KeepLast: 10, KeepWithin: 90 * 24 * 3600e9, KeepPulledWithin: 30 * 24 * 3600e9,
				KeepTags: []string{"v*", "latest"}, KeepSemver: KeepSemver{3, 5, 2}},
			{Repositories: []string{"**"}, Tags: []string{}, KeepTags: []string{}, KeepLast: 1},
		}},
		Schedule: Schedule{Cert: "17 3 * * *", GC: "weekly", Purge: "daily", Backup: "off", Fsck: "off", Drill: "off", Prune: "off"},
		Users:    Users{Cost: 12},
		ACME:     noACME,
		Certs:    noHooks,
		Backup:   Backup{Recipients: []string{}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestParseForms has the ways a text editor may save the same file.
func TestParseForms(t *testing.T) {
	for name, text := range map[string]string{
		"byte order mark": "\ufeff" + head,
		"CRLF":            strings.ReplaceAll(head, "\n", "\r\n"),
		"no last newline": strings.TrimSuffix(head, "\n"),
		"JSON":            `{"version": 1, "project": "reg", "domain": "localhost"}`,
		"comments":        "# one\n\n" + head + "# two\n",
	} {
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := New("reg", "localhost", ""); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestParseDate: YAML 1.1 takes it for a point in time, a person for a name.
func TestParseDate(t *testing.T) {
	c, err := Parse([]byte("version: 1\nproject: 2024-01-02\ndomain: localhost\n"))
	if err != nil || c.Project != "2024-01-02" {
		t.Fatalf("got %v, %v", c, err)
	}
	roundTrip(t, c)
}

func TestParseReportsAllFaultsByLine(t *testing.T) {
	_, err := Parse([]byte(`project: Reg
nginx:
  image: "nginx latest"
https_port: 70000
tls:
  mode: magic
  crt: a.pem
users: {cost: 4}
`))
	want := []string{
		`version: is required: add "version: 1"`,
		`domain: is required`,
		`line 1: project: has to be 1 to 63 of a-z, 0-9, _ and -, the first a letter or digit, such as "reg"`,
		`line 3: nginx.image: has to be an image reference, name[:tag][@digest], the name in lower case`,
		`line 4: https_port: has to be 1 to 65535, not 70000`,
		`line 6: tls.mode: has to be letsencrypt, selfsigned or files, not "magic"`,
		`line 7: tls.crt: unknown key: did you mean "cert"?`,
		`line 8: users.cost: has to be 10 to 15, not 4`,
	}
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want *Invalid", err)
	}
	var got []string
	for _, f := range invalid.Faults {
		got = append(got, f.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text, want := err.Error(), `regctl.yaml: version: is required: add "version: 1" (and 7 more faults)`; text != want {
		t.Errorf("Error() = %q, want %q", text, want)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	bad := filepath.Join(dir, "bad.yaml")
	for path, text := range map[string]string{good: head, bad: head + "x: 1\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := Load(good); err != nil || c.Project != "reg" {
		t.Errorf("good: %v, %v", c, err)
	}
	c, err := Load(bad)
	if want := bad + ": line 4: x: unknown key"; c != nil || err == nil || err.Error() != want {
		t.Errorf("bad: %v, %v, want %s", c, err, want)
	}
	_, err = Load(filepath.Join(dir, "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) || advice.Of(err) != "regctl init" {
		t.Errorf("missing: %v, hint %q", err, advice.Of(err))
	}
	_, err = Load(dir)
	var invalid *Invalid
	if err == nil || errors.As(err, &invalid) {
		t.Errorf("directory: %v, want the file system's error", err)
	}
}

func TestValidate(t *testing.T) {
	c := New("reg", "registry.example.com", ModeFiles)
	c.TLS.Cert = "a.pem"
	c.HTTPPort = 443
	c.StopGrace = 1500e6
	want := []Fault{
		{Path: "stop_grace", Message: "has to be whole seconds, not 1.5s"},
		{Path: "http_port", Message: "has to differ from https_port, both are 443"},
		{Path: "tls.key", Message: "is required with tls.cert"},
	}
	if got := c.Validate(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := New("reg", "localhost", "").Validate(); got != nil {
		t.Errorf("New: %v", got)
	}
	if got := Default().Validate(); len(got) != 3 {
		t.Errorf("Default: %v, want project, domain and tls.mode", got)
	}
}
