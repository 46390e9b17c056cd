package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// privateSuffixes are the last labels of names that no public certificate
// authority can validate: reserved by RFC 2606, RFC 6761, RFC 6762 and
// RFC 8375, by ICANN (.internal, 2024; .home and .corp, never delegated), or
// widely used inside companies.
var privateSuffixes = [...]string{
	"local", "lan", "internal", "home.arpa", "test", "example", "invalid",
	"localhost", "home", "corp", "intranet", "private",
}

// DefaultTLSMode returns the tls.mode for a domain when none is given:
// ModeLetsEncrypt for a public DNS name, ModeSelfSigned for everything a public
// certificate authority cannot validate.
func DefaultTLSMode(domain string) string {
	if !strings.Contains(domain, ".") {
		return ModeSelfSigned // one label, IPv6 or empty
	}
	if _, err := netip.ParseAddr(domain); err == nil {
		return ModeSelfSigned
	}
	lower := strings.ToLower(domain)
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(lower, "."+suffix) || lower == suffix {
			return ModeSelfSigned
		}
	}
	return ModeLetsEncrypt
}

// DefaultHTTPPort returns the http_port for a tls.mode and an acme.challenge when
// none is given.
func DefaultHTTPPort(mode, challenge string) int {
	if mode == ModeLetsEncrypt && challenge != DNS01 {
		return 80 // http-01 is asked for on port 80, always (RFC 8555, 8.3)
	}
	return 0
}

// Host returns the registry's name as it stands in an image reference:
// domain[:port], an IPv6 address in brackets, the port left out when it is 443.
//
// One trap: clients take a first component without a dot or a colon for a
// repository on Docker Hub (splitDockerDomain in distribution/reference), so a
// domain of one label other than localhost keeps its :443.
func (c *Config) Host() string {
	if c.HTTPSPort == 443 {
		if strings.ContainsAny(c.Domain, ".:") || c.Domain == "localhost" {
			return bracketed(c.Domain)
		}
	}
	return net.JoinHostPort(c.Domain, strconv.Itoa(c.HTTPSPort))
}

// URL returns the front door, https://domain[:port], without a trailing slash.
func (c *Config) URL() string {
	if c.HTTPSPort == 443 {
		return "https://" + bracketed(c.Domain)
	}
	return "https://" + net.JoinHostPort(c.Domain, strconv.Itoa(c.HTTPSPort))
}

// Names returns what the certificate has to cover, domain first, then tls.names.
// Clients on this host reach localhost under its addresses too; an IP address is
// a name here, and belongs in the certificate as an address.
func (c *Config) Names() []string {
	names := []string{c.Domain}
	if c.Domain == "localhost" && c.TLS.Mode != ModeLetsEncrypt {
		names = append(names, "127.0.0.1", "::1")
	}
	for _, n := range c.TLS.Names {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// LetsEncrypt is the ACME directory where none is given.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// ACMEServer returns the ACME directory to use.
func (c *Config) ACMEServer() string {
	if c.ACME.Server == "" {
		return LetsEncrypt
	}
	return c.ACME.Server
}

// ACMEProfile returns the profile to ask for, "" for the CA's default. Let's
// Encrypt puts IP addresses into certificates of one profile alone.
func (c *Config) ACMEProfile() string {
	if c.ACME.Profile == "" && c.ACMEServer() == LetsEncrypt && slices.ContainsFunc(c.Names(), isIP) {
		return "shortlived"
	}
	return c.ACME.Profile
}

func isIP(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// public says whether a public certificate authority can validate a name.
func public(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsGlobalUnicast() && !ip.IsPrivate()
	}
	return DefaultTLSMode(name) == ModeLetsEncrypt
}

// ProjectName turns the name of a directory into a Compose project name, in
// the way Compose does: lower case, and only [a-z0-9_-] of it kept. It returns
// "registry" when nothing is left.
func ProjectName(dir string) string {
	var kept strings.Builder
	for _, r := range strings.ToLower(dir) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			kept.WriteRune(r)
		}
	}
	name := strings.TrimLeft(kept.String(), "_-")
	if len(name) > maxProject {
		name = name[:maxProject]
	}
	if name == "" {
		return "registry"
	}
	return name
}

func bracketed(domain string) string {
	if strings.Contains(domain, ":") {
		return "[" + domain + "]"
	}
	return domain
}
