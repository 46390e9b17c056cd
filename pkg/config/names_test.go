package config

import (
	"reflect"
	"regexp"
	"testing"
	"time"
)

func TestDefaultTLSMode(t *testing.T) {
	for domain, want := range map[string]string{
		"registry.example.com": ModeLetsEncrypt, "a.co": ModeLetsEncrypt, "xn--bcher-kva.de": ModeLetsEncrypt,
		"mylocal.com": ModeLetsEncrypt, "home.arpa.com": ModeLetsEncrypt, "notlocalhost.org": ModeLetsEncrypt, "lan.example.org": ModeLetsEncrypt,
		"": ModeSelfSigned, "localhost": ModeSelfSigned, "a.localhost": ModeSelfSigned, "registry": ModeSelfSigned,
		"192.0.2.1": ModeSelfSigned, "8.8.8.8": ModeSelfSigned, "2001:db8::1": ModeSelfSigned, "::ffff:8.8.8.8": ModeSelfSigned,
		"a.local": ModeSelfSigned, "a.lan": ModeSelfSigned, "a.internal": ModeSelfSigned, "a.home.arpa": ModeSelfSigned, "home.arpa": ModeSelfSigned,
		"a.b.test": ModeSelfSigned, "a.example": ModeSelfSigned, "a.invalid": ModeSelfSigned, "a.home": ModeSelfSigned,
		"a.corp": ModeSelfSigned, "a.intranet": ModeSelfSigned, "a.private": ModeSelfSigned, "A.LOCAL": ModeSelfSigned,
	} {
		if got := DefaultTLSMode(domain); got != want {
			t.Errorf("%q: got %s, want %s", domain, got, want)
		}
	}
}

func TestHostURLNames(t *testing.T) {
	tests := []struct {
		domain    string
		port      int
		host, url string
		names     []string
	}{
		{"registry.example.com", 443, "registry.example.com", "https://registry.example.com", []string{"registry.example.com"}},
		{"registry.example.com", 5000, "registry.example.com:5000", "https://registry.example.com:5000", []string{"registry.example.com"}},
		{"localhost", 443, "localhost", "https://localhost", []string{"localhost", "127.0.0.1", "::1"}},
		{"localhost", 8443, "localhost:8443", "https://localhost:8443", []string{"localhost", "127.0.0.1", "::1"}},
		{"registry", 443, "registry:443", "https://registry", []string{"registry"}},
		{"192.0.2.1", 443, "192.0.2.1", "https://192.0.2.1", []string{"192.0.2.1"}},
		{"2001:db8::1", 443, "[2001:db8::1]", "https://[2001:db8::1]", []string{"2001:db8::1"}},
		{"2001:db8::1", 8443, "[2001:db8::1]:8443", "https://[2001:db8::1]:8443", []string{"2001:db8::1"}},
	}
	for _, tt := range tests {
		c := New("reg", tt.domain, "")
		c.HTTPSPort = tt.port
		if c.Host() != tt.host || c.URL() != tt.url || !reflect.DeepEqual(c.Names(), tt.names) {
			t.Errorf("%s %d: got %s, %s, %v", tt.domain, tt.port, c.Host(), c.URL(), c.Names())
		}
	}
}

func TestNamesForACME(t *testing.T) {
	for _, tt := range []struct {
		text    string
		names   []string
		server  string
		profile string
		port    int
	}{
		{"domain: registry.example.com\nacme: {agree_tos: true}\n", []string{"registry.example.com"}, LetsEncrypt, "", 80},
		{"domain: registry.example.com\ntls: {names: [b.example.com, registry.example.com, b.example.com]}\n", []string{"registry.example.com", "b.example.com"}, LetsEncrypt, "", 80},
		{"domain: registry.example.com\ntls: {names: [192.0.2.1]}\n", []string{"registry.example.com", "192.0.2.1"}, LetsEncrypt, "shortlived", 80},
		{"domain: 192.0.2.1\ntls: {mode: letsencrypt}\n", []string{"192.0.2.1"}, LetsEncrypt, "shortlived", 80},
		{"domain: 192.0.2.1\ntls: {mode: letsencrypt}\nacme: {profile: other}\n", []string{"192.0.2.1"}, LetsEncrypt, "other", 80},
		{"domain: 10.0.0.1\ntls: {mode: letsencrypt}\nacme: {server: 'https://ca.lan/dir'}\n", []string{"10.0.0.1"}, "https://ca.lan/dir", "", 80},
		{"domain: localhost\ntls: {mode: letsencrypt}\nacme: {server: 'https://ca.lan/dir'}\n", []string{"localhost"}, "https://ca.lan/dir", "", 80},
		{"domain: registry.example.com\nacme: {challenge: dns-01, dns: {provider: exec}}\n", []string{"registry.example.com"}, LetsEncrypt, "", 0},
		{"domain: localhost\ntls: {names: [reg.lan]}\n", []string{"localhost", "127.0.0.1", "::1", "reg.lan"}, LetsEncrypt, "", 0},
	} {
		c, err := Parse([]byte("version: 1\nproject: reg\n" + tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if !reflect.DeepEqual(c.Names(), tt.names) || c.ACMEServer() != tt.server || c.ACMEProfile() != tt.profile && c.TLS.Mode == ModeLetsEncrypt || c.HTTPPort != tt.port {
			t.Errorf("%s: got %v, %s, %q, port %d", tt.text, c.Names(), c.ACMEServer(), c.ACMEProfile(), c.HTTPPort)
		}
		again, err := Parse(c.Marshal())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%s: written and read again: %+v, %v", tt.text, again, err)
		}
	}
}

// TestHostIsARegistry: what Host returns is never taken for a repository on
// Docker Hub.
func TestHostIsARegistry(t *testing.T) {
	for _, domain := range goodHosts {
		for _, port := range []int{443, 5000} {
			c := New("reg", domain, "")
			c.HTTPSPort = port
			if got := registryOf(t, c.Host()+"/app"); got != c.Host() {
				t.Errorf("%s/app is pushed to %s", c.Host(), got)
			}
		}
	}
}

func TestProjectName(t *testing.T) {
	valid := regexp.MustCompile(projectPattern)
	for dir, want := range map[string]string{
		"registry": "registry", "My Registry.2": "myregistry2", "_x": "x", "--": "registry", "": "registry", "/": "registry", ".": "registry", "Ünïx": "nx", "a-b_c": "a-b_c",
	} {
		got := ProjectName(dir)
		if got != want || !valid.MatchString(got) {
			t.Errorf("%q: got %q, want %q", dir, got, want)
		}
	}
	long := make([]byte, 100)
	for i := range long {
		long[i] = 'x'
	}
	if got := ProjectName(string(long)); len(got) != 63 {
		t.Errorf("got %d characters", len(got))
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour,
		"0s": 0, "0d0h": 0, "007m": 7 * time.Minute, "1d1h1m1s": 25*time.Hour + 61*time.Second, "106751d": 106751 * 24 * time.Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
		if back, err := ParseDuration(got.String()); err != nil || back != got {
			t.Errorf("%q: %s reads back as %v, %v", text, got, back, err)
		}
	}
	for _, text := range []string{"", "5", "s", "5x", "5 m", "1.5h", "-5m", "+5m", "5m1h", "1m1m", "5M", "1w", "100ms", "99999999999999999999s", "106752d", "9223372036s1", "106751d24h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 61 * time.Second: "1m1s", 24 * time.Hour: "1d", 36 * time.Hour: "36h", 48*time.Hour + time.Second: "48h1s",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
