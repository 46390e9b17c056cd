package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// faultCases lists each thing that is refused, with what is said of it: path,
// line and a part of the message. Every case has exactly one fault.
var faultCases = []struct {
	name, text, path string
	line             int
	message          string
	// schemaBlind marks what a JSON schema does not see.
	schemaBlind bool
}{
	// the file as a whole
	{"empty", "", "", 0, "is empty", false},
	{"only comments", "# nothing\n", "", 0, "is empty", true},
	{"only a marker", "---\n", "", 0, "is empty", false},
	{"null", "~\n", "", 0, "is empty", false},
	{"list", "- a\n", "", 1, "group of keys at the top, not a list", false},
	{"text", "\nhello\n", "", 2, `not "hello"`, false},
	{"two documents", head + "---\n" + head, "", 4, "more than one YAML document", true},
	{"NUL", head + "bind: \x00\n", "", 4, "contains a NUL byte", true},
	{"Latin-1", head + "# caf\xe9\n", "", 4, "is not valid UTF-8", true},
	{"UTF-16", "v\x00e\x00", "", 1, "contains a NUL byte", true},
	{"control character", head + "# \x1b[1m\n", "", 4, "control character U+001B", true},
	{"too large", head + "#" + strings.Repeat("x", MaxSize), "", 0, "larger than 1048576 bytes", true},
	{"tab", head + "tls:\n\tmode: files\n", "", 5, "indented with a tab", true},
	{"syntax", head + "bind: a: b\n", "", 4, "is not YAML: mapping values", true},
	{"bracket left open", head + "bind: [\n", "", 4, "is not YAML", true},
	{"syntax in a second document", head + "---\na: b: c\n", "", 5, "is not YAML", true},
	{"alias without anchor", head + "bind: *b\n", "", 4, "is not YAML", true},
	{"deep nesting", head + "bind: " + strings.Repeat("[", 20000) + "\n", "", 4, "is not YAML", true},

	// keys
	{"unknown", head + "colour: red\n", "colour", 4, "unknown key", false},
	{"typo", head + "htps_port: 1\n", "htps_port", 4, `did you mean "https_port"?`, false},
	{"hyphen", head + "stop-grace: 1m\n", "stop-grace", 4, `did you mean "stop_grace"?`, false},
	{"case", head + "TLS: {}\n", "TLS", 4, `did you mean "tls"?`, false},
	{"wrong group", head + "email: a@b.example\n", "email", 4, `did you mean "acme.email"?`, false},
	{"two groups", head + "image: x\n", "image", 4, `did you mean "registry.image" or "nginx.image"?`, false},
	{"dotted", head + "users.cost: 10\n", `["users.cost"]`, 4, `did you mean "users.cost"?`, false},
	{"unknown inside", head + "registry:\n  # x\n  loglevel: info\n", "registry.loglevel", 6, `did you mean "log_level"?`, false},
	{"twice", head + "bind: ''\nbind: ''\n", "bind", 5, "is given twice, first on line 4", true},
	{"twice inside", head + "users:\n  cost: 10\n  cost: 11\n", "users.cost", 6, "first on line 5", true},
	{"merge key", head + "users:\n  <<: {cost: 10}\n", "users", 5, "merge keys (<<) are not allowed", true},
	{"number as key", head + "5: x\n", "5", 4, "a key has to be a string, not the number 5", true},
	{"group as key", head + "? {a: b}\n: x\n", "", 4, "a key has to be a plain word", true},
	{"anchor on a key", head + "&a bind: ''\n", "", 4, "a key has to be a plain word", true},
	{"tag on a key", head + "!!str bind: ''\n", "", 4, "a key has to be a plain word", true},
	{"odd key", head + "\"a\\nb\": x\n", `["a\nb"]`, 4, "does not print", false},

	// rules
	{"a rule that keeps nothing", head + "retention:\n  rules:\n  - repositories: [a]\n    keep_last: 0\n", "retention.rules[0]", 6, "keeps nothing: it needs keep_last", true},
	{"a rule for nothing", head + "retention: {rules: [{keep_last: 1}]}\n", "retention.rules[0].repositories", 4, "is required", false},
	{"no repository", head + "retention: {rules: [{repositories: [a/], keep_last: 1}]}\n", "retention.rules[0].repositories[0]", 4, `did you mean "a/**"`, true},
	{"no tag", head + "retention: {rules: [{repositories: [a], keep_tags: ['a:b']}]}\n", "retention.rules[0].keep_tags[0]", 4, "has ':' in it", false},
	{"a fault is enough", head + "retention: {rules: [{repositories: [a], keep_last: -1}]}\n", "retention.rules[0].keep_last", 4, "has to be 0 to 1000000", false},
	{"too many percent", head + "retention: {max_delete: 101}\n", "retention.max_delete", 4, "0 to 100", false},
	{"no times", head + "schedule: {gc: never}\n", "schedule.gc", 4, "has to be five fields", false},

	// values of the wrong kind
	{"anchor", head + "bind: &a ''\n", "bind", 4, "anchors (&name) are not allowed", true},
	{"tag", head + "bind: !!str ''\n", "bind", 4, "tags (!name) are not allowed", true},
	{"tag on the whole", "!x\nversion: 1\n", "", 1, "tags (!name) are not allowed", true},
	{"no value", head + "bind:\n", "bind", 4, "has no value", false},
	{"null value", head + "bind: null\n", "bind", 4, "has no value", false},
	{"group without keys", head + "tls:\n  # mode: files\n", "tls", 4, "has no value", false},
	{"text for a group", head + "tls: files\n", "tls", 4, `has to be a group of keys, not "files"`, false},
	{"list for a group", head + "tls: []\n", "tls", 4, "has to be a group of keys, not a list", false},
	{"group for text", head + "bind: {}\n", "bind", 4, "has to be a string, not a group of keys", false},
	{"list for a number", head + "https_port: [443]\n", "https_port", 4, "has to be a whole number, not a list", false},
	{"number for text", "version: 1\nproject: 12\ndomain: localhost\n", "project", 2, "has to be a string, not the number 12: put it in quotes", false},
	{"fraction for text", "version: 1\nproject: reg\ndomain: 10.1\n", "domain", 3, "has to be a string, not the number 10.1", false},
	{"boolean for text", head + "bind: true\n", "bind", 4, "has to be a string, not the boolean true", false},
	{"text for a number", head + "https_port: many\n", "https_port", 4, `has to be a whole number, not "many"`, false},
	{"quoted number", head + "https_port: '443'\n", "https_port", 4, `has to be a whole number, not "443"`, false},
	{"fraction", head + "https_port: 443.5\n", "https_port", 4, "has to be a whole number, not the number 443.5", false},
	{"hexadecimal", head + "https_port: 0x1bb\n", "https_port", 4, "has to be a whole number", true},
	{"octal", head + "https_port: 0777\n", "https_port", 4, "has to be a whole number", true},
	{"underscore", head + "https_port: 4_43\n", "https_port", 4, "has to be a whole number", true},
	{"huge", head + "https_port: 99999999999999999999\n", "https_port", 4, "is too large a number", false},
	{"duration without unit", head + "stop_grace: 5\n", "stop_grace", 4, "has to be a duration such as 90s, 5m, 1h30m or 30d, not the number 5", false},
	{"duration in words", head + "stop_grace: 5 minutes\n", "stop_grace", 4, "has to be a duration", false},
	{"duration empty", head + "stop_grace: ''\n", "stop_grace", 4, "has to be a duration", false},
	{"duration too long", head + "stop_grace: 999999999999d\n", "stop_grace", 4, "is too long a duration", true},

	// required
	{"no version", "project: reg\ndomain: localhost\n", "version", 0, `is required: add "version: 1"`, false},
	{"no project", "version: 1\ndomain: localhost\n", "project", 0, "is required", false},
	{"no domain", "version: 1\nproject: reg\n", "domain", 0, "is required", false},
	{"empty project", "version: 1\nproject: ''\ndomain: localhost\n", "project", 2, "is required", false},
	{"version 0", "version: 0\nproject: reg\ndomain: localhost\n", "version", 1, "has to be 1, the only format this regctl reads, not 0", false},
	{"version 2", "version: 2\nproject: reg\ndomain: localhost\n", "version", 1, "not 2", false},
	{"version in words", "version: one\nproject: reg\ndomain: localhost\n", "version", 1, `has to be a whole number, not "one"`, false},

	// bad values
	{"project", "version: 1\nproject: -x\ndomain: localhost\n", "project", 2, "has to be 1 to 63 of", false},
	{"bind a name", head + "bind: eth0\n", "bind", 4, "has to be an IP address", false},
	{"bind with a port", head + "bind: 127.0.0.1:443\n", "bind", 4, "has to be an IP address", true},
	{"bind not shortest", head + "bind: 2001:db8:0::1\n", "bind", 4, `has to be written "2001:db8::1"`, true},
	{"https_port 0", head + "https_port: 0\n", "https_port", 4, "has to be 1 to 65535, not 0", false},
	{"https_port 65536", head + "https_port: 65536\n", "https_port", 4, "not 65536", false},
	{"http_port negative", head + "http_port: -1\n", "http_port", 4, "has to be 0 to 65535, not -1", false},
	{"http_port 65536", head + "http_port: 65536\n", "http_port", 4, "not 65536", false},
	{"mode", head + "tls: {mode: acme}\n", "tls.mode", 4, `has to be letsencrypt, selfsigned or files, not "acme"`, false},
	{"mode empty", head + "tls: {mode: ''}\n", "tls.mode", 4, `not ""`, false},
	{"image empty", head + "nginx:\n  image: ''\n", "nginx.image", 5, `is empty: write a value, or leave the key out for "nginx:1.30.6-alpine"`, false},
	{"image upper case", head + "nginx:\n  image: Nginx\n", "nginx.image", 5, "has to be an image reference", false},
	{"log level", head + "registry: {log_level: trace}\n", "registry.log_level", 4, "error, warn, info or debug", false},
	{"log level empty", head + "registry: {log_level: ''}\n", "registry.log_level", 4, "is empty", false},
	{"grace short", head + "stop_grace: 0s\n", "stop_grace", 4, "has to be 1s to 1h, not 0s", true},
	{"grace long", head + "stop_grace: 1h1s\n", "stop_grace", 4, "has to be 1s to 1h, not 1h1s", true},
	{"cost low", head + "users:\n  cost: 9\n", "users.cost", 5, "has to be 10 to 15, not 9", false},
	{"cost high", head + "users:\n  cost: 16\n", "users.cost", 5, "has to be 10 to 15, not 16", false},
	{"line break in text", head + "tls: {mode: files, cert: \"a\\nb\", key: c}\n", "tls.cert", 4, "does not print", true},
	{"directory", head + "tls: {mode: files, cert: a/, key: c}\n", "tls.cert", 4, "has to name a file", false},
	{"home", head + "tls: {mode: files, cert: ~/c, key: c}\n", "tls.cert", 4, "without ~", true},

	// values that contradict each other
	{"ports equal", head + "http_port: 443\n", "http_port", 4, "has to differ from https_port, both are 443", true},
	{"cert without key", head + "tls:\n  mode: files\n  cert: c\n", "tls.key", 4, "is required with tls.cert", true},
	{"key without cert", head + "tls:\n  mode: files\n  key: k\n", "tls.cert", 4, "is required with tls.key", true},
	{"key is cert", head + "tls:\n  mode: files\n  cert: c\n  key: c\n", "tls.key", 7, "is the same file as tls.cert", true},
	{"cert under selfsigned", head + "tls:\n  mode: selfsigned\n  cert: c\n", "tls.cert", 6, "is only for tls.mode files, not selfsigned", true},
	{"key by default", head + "tls:\n  key: c\n", "tls.key", 5, "is only for tls.mode files, not selfsigned", true},
	{"email under files", head + "tls: {mode: files}\nacme:\n  email: a@b.example\n", "acme.email", 6, "is only for tls.mode letsencrypt, not files", true},
	{"server by default", head + "acme:\n  server: https://ca.example/dir\n", "acme.server", 5, "is only for tls.mode letsencrypt, not selfsigned", true},
	{"email empty", head + "acme:\n  email: ' '\n", "acme.email", 5, "has to be an e-mail address", false},
	{"server over http", head + "acme:\n  server: http://ca.example/dir\n", "acme.server", 5, "has to be a URL that starts with https://", false},

	// asked of an ACME server
	{"localhost at Let's Encrypt", head + "tls:\n  mode: letsencrypt\n", "tls.mode", 5, "for localhost, which no public certificate authority can validate", true},
	{"private address at Let's Encrypt", "version: 1\nproject: reg\ndomain: 10.0.0.1\ntls: {mode: letsencrypt}\n", "tls.mode", 4, "for 10.0.0.1", true},
	{"further private name at Let's Encrypt", public01 + "tls:\n  names: [reg.local]\n", "tls.mode", 4, "for reg.local", true},
	{"names with a pattern", public01 + "tls:\n  names: ['*.example.com']\n", "tls.names[0]", 5, "not a pattern", false},
	{"nothing on port 80", public01 + "http_port: 0\n", "http_port", 4, "acme.challenge: dns-01", true},
	{"tls-alpn-01", public01 + "acme: {challenge: tls-alpn-01}\n", "acme.challenge", 4, "Nginx would have to hand port 443 over", false},
	{"another challenge", public01 + "acme: {challenge: dns-02}\n", "acme.challenge", 4, "has to be http-01 or dns-01", false},
	{"dns-01 without a provider", public01 + "acme: {challenge: dns-01}\n", "acme.dns.provider", 4, "is required with acme.challenge dns-01", true},
	{"unknown provider", public01 + "acme: {challenge: dns-01, dns: {provider: route53}}\n", "acme.dns.provider", 4, "exec and httpreq reach every other", false},
	{"provider without dns-01", public01 + "acme: {dns: {provider: exec}}\n", "acme.dns.provider", 4, "is only for acme.challenge dns-01", true},
	{"address by dns-01", public01 + "acme: {challenge: dns-01, dns: {provider: exec}}\ntls:\n  names: [192.0.2.7]\n", "tls.names", 6, "which dns-01 cannot prove", true},
	{"resolver without a port", public01 + "acme: {challenge: dns-01, dns: {provider: exec, resolvers: [192.0.2.53]}}\n", "acme.dns.resolvers[0]", 4, "has to be an address with a port", false},
	{"HMAC key without a key id", public01 + "acme: {eab: {hmac_file: x}}\n", "acme.eab.key_id", 4, "is required with acme.eab.hmac_file", true},
	{"key type", public01 + "acme: {key_type: dsa}\n", "acme.key_type", 4, "ec256, ec384, rsa2048, rsa3072 or rsa4096", false},
	{"agreed under selfsigned", head + "acme: {agree_tos: true}\n", "acme.agree_tos", 4, "is only for tls.mode letsencrypt", true},
	{"dns-01 under selfsigned", head + "acme: {challenge: dns-01}\n", "acme.challenge", 4, "is only for tls.mode letsencrypt", true},
	{"hook as text", head + "certs:\n  hooks:\n    deployed: /bin/true\n", "certs.hooks.deployed", 6, "has to be a list", false},
	{"hook without end", head + "certs: {hooks: {timeout: 2h}}\n", "certs.hooks.timeout", 4, "has to be 1s to 1h", true},

	// one fault brings no others
	{"bad domain hides what follows", "version: 1\nproject: reg\ndomain: https://r.example.com\nacme: {email: a@b.example}\n", "domain", 3, "without a scheme", false},
	{"bad mode hides what follows", head + "tls: {mode: x, cert: c}\nacme: {email: a@b.example}\n", "tls.mode", 4, "has to be letsencrypt", false},
	{"bad group hides what follows", "version: 1\nproject: reg\ndomain: registry.example.com\ntls: x\nacme: {email: a@b.example}\n", "tls", 4, "has to be a group", false},
	{"bad port hides what follows", head + "https_port: x\nhttp_port: 443\n", "https_port", 4, "has to be a whole number", false},
}

// public01 is the head of a file for a name that a public CA can validate.
const public01 = "version: 1\nproject: reg\ndomain: registry.example.com\n"

func TestFaults(t *testing.T) {
	names := map[string]bool{}
	for _, tt := range faultCases {
		t.Run(tt.name, func(t *testing.T) {
			if names[tt.name] {
				t.Fatal("two cases of this name")
			}
			names[tt.name] = true
			c, err := Parse([]byte(tt.text))
			var invalid *Invalid
			if !errors.As(err, &invalid) || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			if len(invalid.Faults) != 1 {
				t.Fatalf("got %d faults, want one: %v", len(invalid.Faults), invalid.Faults)
			}
			f := invalid.Faults[0]
			if f.Path != tt.path || f.Line != tt.line || !strings.Contains(f.Message, tt.message) {
				t.Errorf("got path %q, line %d, %q\nwant path %q, line %d, %q", f.Path, f.Line, f.Message, tt.path, tt.line, tt.message)
			}
			checkStyle(t, err)
			if strings.HasSuffix(err.Error(), ".") {
				t.Errorf("ends with a period: %v", err)
			}
		})
	}
}

// checkStyle checks that an error is one short line.
func checkStyle(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if strings.ContainsAny(text, "\n\r\t\x1b") || len(text) > 400 {
		t.Errorf("not a line for a person: %q", text)
	}
}

// TestAliasBomb has the file that unfolds into 10^9 values.
func TestAliasBomb(t *testing.T) {
	text := "version: 1\na0: &a0 [x]\n"
	for i := 1; i < 10; i++ {
		alias := fmt.Sprintf("*a%d,", i-1)
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(alias, 10))
	}
	text += "bind: *a9\n"
	_, err := Parse([]byte(text))
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	last := invalid.Faults[len(invalid.Faults)-1]
	if last.Path != "bind" || last.Line != 12 || !strings.Contains(last.Message, "aliases") {
		t.Errorf("got %v", last)
	}
}
