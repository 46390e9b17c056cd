package config

import (
	"regexp"
	"strings"
	"testing"

	"github.com/distribution/reference"
)

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var goodHosts = []string{
	"localhost", "registry", "registry.example.com", "a.b", "x1.example", "1a.example", "xn--bcher-kva.example", "a--b.example",
	strings.Repeat("a", 63) + ".example", "127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "fe80::1",
	strings.Repeat("a.", 126) + "b", "de.f", "dead.beef", "localhost.localdomain",
}

func TestHost(t *testing.T) {
	for _, host := range goodHosts {
		if problem := checkHost(host); problem != "" {
			t.Errorf("%q: %s", host, problem)
		}
		if !isImageReference(bracketed(host) + ":5000/a:b") {
			t.Errorf("%q cannot stand in an image reference", host)
		}
	}
	for host, want := range map[string]string{
		"https://a.example":             "without a scheme",
		"a.example/v2":                  "without a path",
		"a.example?x":                   "without a path",
		" a.example":                    "without spaces",
		"a example":                     "without spaces",
		"user@a.example":                "without a user",
		"a.example:5000":                "without a port",
		"localhost:5000":                "without a port",
		"192.0.2.1:5000":                "without a port",
		"[::1]:5000":                    "without a port",
		"a.example.":                    "dot at its end",
		"*.example":                     "not a pattern",
		"bücher.example":                "xn--",
		"A.Example":                     `lower case: "a.example"`,
		"a..example":                    "words of 1 to 63",
		".a.example":                    "words of 1 to 63",
		"-a.example":                    "words of 1 to 63",
		"a-.example":                    "words of 1 to 63",
		"a_b.example":                   "words of 1 to 63",
		"a,b":                           "words of 1 to 63",
		"$HOST":                         "lower case",
		"${host}":                       "words of 1 to 63",
		"-":                             "words of 1 to 63",
		strings.Repeat("a", 64):         "words of 1 to 63",
		strings.Repeat("a.", 127) + "b": "longer than the 253",
		"192.0.2":                       "neither a host name nor an IP address",
		"192.0.2.256":                   "neither a host name nor an IP address",
		"registry.1":                    "neither a host name nor an IP address",
		"5":                             "neither a host name nor an IP address",
		"[::1]":                         `without brackets: "::1"`,
		"2001:DB8::1":                   `has to be written "2001:db8::1"`,
		"2001:db8:0:0::1":               `has to be written "2001:db8::1"`,
		"fe80::1%eth0":                  "clients cannot use",
		"0.0.0.0":                       "clients cannot use",
		"::":                            "clients cannot use",
		"224.0.0.1":                     "clients cannot use",
		"::ffff:192.0.2.1":              "clients cannot use",
	} {
		if problem := checkHost(host); !strings.Contains(problem, want) {
			t.Errorf("%q: got %q, want %q", host, problem, want)
		}
	}
}

func TestFormats(t *testing.T) {
	tests := []struct {
		format    string
		good, bad []string
	}{
		{"project", []string{"a", "0", "a-b_c", strings.Repeat("x", 63)},
			[]string{"A", "-a", "_a", "a.b", "a b", "é", strings.Repeat("x", 64)}},
		{"ip", []string{"127.0.0.1", "0.0.0.0", "::", "::1", "2001:db8::1"},
			[]string{"localhost", "127.0.0.1:1", "[::1]", "::0", "127.1", "fe80::1%eth0", "224.0.0.1", "::ffff:1.2.3.4", "1.2.3.4/24"}},
		{"email", []string{"a@b", "a.b+c@example.com"},
			[]string{"a", "@b", "a@", "A <a@b>", "<a@b>", "a@b, c@d", "ä@b", "a b@c"}},
		{"https-url", []string{"https://a", "https://a:14000/dir?x=y"},
			[]string{"http://a", "a", "https://", "https://:443", "https:a", "https://u:secret@a", "https://a#b", "https://a b", "https://a:x", "HTTPS://a"}},
		{"path", []string{"a", "/a/b", "../a", "a b", "ä"}, []string{"/", "a/", "~/a", " a", "a "}},
		{"repository-pattern", []string{"**", "team/*", "a"}, []string{"Team", "a/", "team**", "a:b"}},
		{"tag-name-pattern", []string{"*", "v1.*", "Latest", "_x"}, []string{".x", "a/b", "a:b", "é", strings.Repeat("x", 129)}},
		{"times", []string{"off", "six-hourly", "daily", "weekly", "monthly", "5 4 * * sun", "*/20 1-5 * 1,2 *"},
			[]string{"never", "@daily", "5 4 * *", "60 * * * *", "0 0 1 * 1", "0 0 31 2 *"}},
	}
	for _, tt := range tests {
		f := formatNamed(tt.format)
		pattern := regexp.MustCompile(f.pattern)
		for _, text := range tt.good {
			if problem := f.check(text); problem != "" {
				t.Errorf("%s %q: %s", tt.format, text, problem)
			}
			if !pattern.MatchString(text) {
				t.Errorf("%s %q: refused by the schema's pattern", tt.format, text)
			}
		}
		for _, text := range tt.bad {
			problem := f.check(text)
			if problem == "" {
				t.Errorf("%s %q: accepted", tt.format, text)
			}
			if strings.Contains(problem, "secret") {
				t.Errorf("%s repeats a password: %s", tt.format, problem)
			}
		}
	}
}

// isImageReference asks the library that Docker uses.
func isImageReference(text string) bool {
	_, err := reference.ParseDockerRef(text)
	return err == nil
}

// registryOf returns the registry that Docker would ask for an image.
func registryOf(t *testing.T, image string) string {
	t.Helper()
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		t.Fatal(err)
	}
	return reference.Domain(named)
}

var imageTexts = []string{
	"registry", "registry:3.1.2", "library/registry:3", "docker.io/library/registry", "regctl.local/registry:3", "localhost/a", "localhost:5000/a/b:c",
	"[::1]:5000/a", "[2001:db8::1]/a", "a__b", "a---b", "a.b-c_d/e", "A.example/b", "Host/b", "a@sha256:" + hex64, "a:b@sha256:" + hex64, "a:" + strings.Repeat("t", 128),
	"", "Registry", "a/B", "a:", "a: b", " a", "a//b", "/a", "a/", "a___b", "a..b", "-a", "a-", "a:-b", "a:b:c", "a@b", "a@sha256:0", "a@sha256:" + strings.ToUpper(hex64),
	"https://a/b", hex64, "a:" + strings.Repeat("t", 129), "[::1/a", "::1/a", "a b", "é", "a_.b", "a:5000/", ":5000/a", "a.:1/b", strings.Repeat("x", 256), strings.Repeat("x", 235), strings.Repeat("x", 235) + ":t@sha256:" + hex64,
}

func TestImage(t *testing.T) {
	for _, text := range imageTexts {
		if got, want := checkImage(text) == "", isImageReference(text); got != want {
			t.Errorf("%q: accepted %v, Docker says %v", text, got, want)
		}
	}
}

// FuzzImage compares with the grammar of Docker's own library.
func FuzzImage(f *testing.F) {
	for _, text := range imageTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if checkImage(text) == "" && !isImageReference(text) {
			t.Errorf("%q: accepted, Docker refuses it", text)
		}
	})
}
