package config

import "fmt"

// together checks what no single value shows.
func (v *validator) together(c *Config) {
	if c.Version != Version {
		v.fault("version", "has to be %d, the only format this regctl reads, not %d", Version, c.Version)
	}
	if c.HTTPSPort == c.HTTPPort && v.good("https_port", "http_port") {
		v.fault("http_port", "has to differ from https_port, both are %d", c.HTTPPort)
	}
	for i, r := range c.Retention.Rules {
		path := fmt.Sprintf("retention.rules[%d]", i)
		if r.KeepLast == 0 && r.KeepWithin == 0 && len(r.KeepTags) == 0 && r.KeepPulledWithin == 0 && r.KeepSemver == (KeepSemver{}) &&
			v.good(path, path+".keep_last", path+".keep_within", path+".keep_tags", path+".keep_pulled_within", path+".keep_semver") {
			v.fault(path, "keeps nothing: it needs keep_last, keep_within, keep_tags, keep_pulled_within or keep_semver")
		}
	}
	if v.good("tls", "tls.mode") {
		v.tls(c)
	}
}

func (v *validator) tls(c *Config) {
	if c.TLS.Mode != ModeFiles {
		if c.TLS.Cert != "" {
			v.fault("tls.cert", "is only for tls.mode files, not %s", c.TLS.Mode)
		}
		if c.TLS.Key != "" {
			v.fault("tls.key", "is only for tls.mode files, not %s", c.TLS.Mode)
		}
	} else if v.good("tls.cert", "tls.key") {
		switch {
		case c.TLS.Cert != "" && c.TLS.Key == "":
			v.fault("tls.key", "is required with tls.cert")
		case c.TLS.Key != "" && c.TLS.Cert == "":
			v.fault("tls.cert", "is required with tls.key")
		case c.TLS.Cert != "" && c.TLS.Cert == c.TLS.Key:
			v.fault("tls.key", "is the same file as tls.cert: the private key has a file of its own")
		}
	}
	if c.TLS.Mode != ModeLetsEncrypt {
		v.noACME(c)
	} else if v.good("acme") {
		v.acme(c)
	}
}

// noACME refuses what only an ACME server could be told.
func (v *validator) noACME(c *Config) {
	for _, k := range []struct {
		path  string
		given bool
	}{
		{"acme.email", c.ACME.Email != ""}, {"acme.server", c.ACME.Server != ""}, {"acme.ca", c.ACME.CA != ""},
		{"acme.agree_tos", c.ACME.AgreeTOS}, {"acme.challenge", c.ACME.Challenge != HTTP01},
		{"acme.dns.provider", c.ACME.DNS.Provider != ""}, {"acme.profile", c.ACME.Profile != ""},
		{"acme.preferred_chain", c.ACME.PreferredChain != ""}, {"acme.eab.key_id", c.ACME.EAB.KeyID != ""},
	} {
		if k.given {
			v.fault(k.path, "is only for tls.mode letsencrypt, not %s", c.TLS.Mode)
		}
	}
}

// Values of acme.challenge.
const (
	HTTP01 = "http-01"
	DNS01  = "dns-01"
)

// acme checks what is asked of an ACME server.
func (v *validator) acme(c *Config) {
	named := func(name string) string {
		if name == c.Domain {
			return "domain"
		}
		return "tls.names"
	}
	if v.good("domain", "acme.server", "tls.names") && c.ACMEServer() == LetsEncrypt {
		for _, name := range c.Names() {
			if !public(name) {
				v.fault("tls.mode", "cannot be letsencrypt for %s, which no public certificate authority can validate: set selfsigned or files, or an acme.server of your own", name)
			}
		}
	}
	if !v.good("acme.challenge", "acme.dns") {
		return
	}
	if c.ACME.Challenge != DNS01 {
		if c.HTTPPort == 0 && v.good("http_port") {
			v.fault("http_port", "has to be the port that port 80 of %s leads to, where the certificate authority asks (acme.challenge http-01); or set acme.challenge: dns-01", c.Domain)
		}
		if c.ACME.DNS.Provider != "" {
			v.fault("acme.dns.provider", "is only for acme.challenge dns-01, not %s", c.ACME.Challenge)
		}
	} else {
		if c.ACME.DNS.Provider == "" {
			v.fault("acme.dns.provider", "is required with acme.challenge dns-01")
		}
		for _, name := range c.Names() {
			if isIP(name) {
				v.fault(named(name), "%s is an IP address, which dns-01 cannot prove: set acme.challenge: http-01", name)
			}
		}
	}
	if c.ACME.EAB.HMACFile != "" && c.ACME.EAB.KeyID == "" {
		v.fault("acme.eab.key_id", "is required with acme.eab.hmac_file")
	}
}
