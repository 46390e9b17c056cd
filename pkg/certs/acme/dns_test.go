package acme

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/certs"
)

func pairOf(text string) certs.Pair { return certs.Pair{Fullchain: []byte(text)} }

// These lend variables to the process, so none of them is parallel.

func TestDNSThroughHTTPReq(t *testing.T) {
	p := newPebble(t, pebbleOptions{httpPort: 1})
	var seen []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ FQDN, Value string }
		if user, pass, _ := r.BasicAuth(); user != "u" || pass != "secret" || json.NewDecoder(r.Body).Decode(&m) != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		seen = append(seen, r.URL.Path+" "+m.FQDN)
		if r.URL.Path == "/present" {
			p.dns.AddDNSTXTRecord(m.FQDN, m.Value)
		} else {
			p.dns.DeleteDNSTXTRecord(m.FQDN)
		}
	}))
	defer api.Close()
	i := p.issuer(t)
	i.Webroot = nil
	i.DNS = &DNS{Provider: "httpreq", Wait: 10 * time.Millisecond, Env: map[string]string{
		"HTTPREQ_ENDPOINT": api.URL, "HTTPREQ_USERNAME": "u", "HTTPREQ_PASSWORD": "secret", "HTTPREQ_POLLING_INTERVAL": "1"}}
	mustObtain(t, i, oneName)
	if want := []string{"/present _acme-challenge.reg.example.com.", "/cleanup _acme-challenge.reg.example.com."}; !slices.Equal(seen, want) {
		t.Errorf("got %q", seen)
	}
	if v := os.Getenv("HTTPREQ_PASSWORD"); v != "" {
		t.Error("the password stays in the environment")
	}
	i.DNS.Env["HTTPREQ_PASSWORD"] = "wrong-secret"
	if e := refused(t, i, oneName, Solver); strings.Contains(e.Error(), "wrong-secret") {
		t.Errorf("a secret is told: %v", e)
	}
	i.DNS.Env = nil
	if e := refused(t, i, oneName, Solver); !strings.Contains(e.Error(), "HTTPREQ_ENDPOINT") {
		t.Errorf("what is missing is not told: %v", e)
	}
	i.DNS.Provider = "route66"
	refused(t, i, oneName, Solver)
	r := oneName
	r.Names = []string{"192.0.2.1"}
	refused(t, i, r, Rejected)
}

func TestDNSThroughAProgram(t *testing.T) {
	p := newPebble(t, pebbleOptions{httpPort: 1})
	dir := t.TempDir()
	script, record := filepath.Join(dir, "dns"), filepath.Join(dir, "record")
	text := fmt.Sprintf("#!/bin/sh\ntest \"$TOKEN\" = geheim || exit 1\nprintf '%%s %%s %%s\\n' \"$1\" \"$2\" \"$3\" >>%s\n", record)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() { // what the program's API would do
		for {
			data, _ := os.ReadFile(record)
			for line := range strings.Lines(string(data)) {
				if f := strings.Fields(line); len(f) == 3 && f[0] == "present" {
					p.dns.AddDNSTXTRecord(f[1], f[2])
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	credentials := filepath.Join(dir, "credentials")
	if err := os.WriteFile(credentials, []byte("# for dns\nEXEC_PATH="+script+"\nTOKEN=geheim\nEXEC_POLLING_INTERVAL=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env, err := ReadCredentials(credentials)
	if err != nil {
		t.Fatal(err)
	}
	i := p.issuer(t)
	i.Webroot, i.DNS = nil, &DNS{Provider: "exec", Env: env, Wait: 200 * time.Millisecond}
	mustObtain(t, i, oneName)
	data, err := os.ReadFile(record)
	if err != nil || !strings.Contains(string(data), "cleanup _acme-challenge.reg.example.com.") {
		t.Errorf("got %q, %v", data, err)
	}
}

// Each provider is there, and says which variables it misses.
func TestProviders(t *testing.T) {
	want := []string{"acmedns", "cloudflare", "desec", "digitalocean", "duckdns", "exec", "gandiv5", "hetzner", "httpreq", "porkbun"}
	if got := DNSProviders(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, name := range want {
		_, _, err := DNS{Provider: name}.open()
		if err == nil || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s without credentials: %v", name, err)
		}
	}
}

func TestSecretsOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false} {
		if err := os.WriteFile(path, []byte("A=1\nB=x=y \n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		env, err := ReadCredentials(path)
		if (err == nil) != ok {
			t.Errorf("%04o: %v, %v", mode, env, err)
		}
		if ok && (env["A"] != "1" || env["B"] != "x=y") {
			t.Errorf("got %q", env)
		}
		os.Remove(path)
	}
	for name, text := range map[string]string{"empty": "", "no equals sign": "geheim\n", "odd name": "A B=geheim", "NUL": "A=geheim\x00", "only a comment": "# x\n",
		"large": "A=" + strings.Repeat("g", maxSecret)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCredentials(path); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadSecret(dir); err == nil {
		t.Error("a directory was read")
	}
}
