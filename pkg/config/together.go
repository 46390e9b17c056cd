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
	if c.TLS.Mode == ModeLetsEncrypt {
		v.letsEncryptNotYet()
	}
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
		if c.ACME.Email != "" {
			v.fault("acme.email", "is only for tls.mode letsencrypt, not %s", c.TLS.Mode)
		}
		if c.ACME.Server != "" {
			v.fault("acme.server", "is only for tls.mode letsencrypt, not %s", c.TLS.Mode)
		}
	}
}

// letsEncryptNotYet refuses a mode that the format knows and this version
// cannot carry out. Remove it with its call once certificates are obtained.
func (v *validator) letsEncryptNotYet() {
	v.fault("tls.mode", "letsencrypt, the default for a public name, is not available in this version: set selfsigned or files")
}
