package doctor

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What is looked for in Nginx's configuration.
var (
	nginxComment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	nginxServer  = regexp.MustCompile(`(?m)^\s*server\s*\{`)
	nginxTLS     = regexp.MustCompile(`(?m)^\s*listen\s[^;]*\bssl\b`)
	nginxTimeout = regexp.MustCompile(`(?m)^\s*(proxy_read_timeout|proxy_send_timeout|client_body_timeout|send_timeout)\s+(\d+)(ms|s|m|h)?\s*;`)
	nginxHTTP2   = regexp.MustCompile(`(?m)^\s*(listen\s[^;]*\shttp2(\s[^;]*)?|http2\s+on)\s*;`)
)

// forClients leaves out the servers without TLS: they are Nginx's own affair.
func forClients(text string) string {
	parts := nginxServer.Split(text, -1)
	kept := parts[0]
	for _, part := range parts[1:] {
		if nginxTLS.MatchString(part) {
			kept += part
		}
	}
	return kept
}

// ReadNginx looks for what does harm in Nginx's configuration. Of a directive that
// is there more than once, the shortest time counts.
func ReadNginx(text string) *NginxConf {
	text = forClients(nginxComment.ReplaceAllString(text, ""))
	c := &NginxConf{Timeouts: map[string]time.Duration{}, HTTP2: nginxHTTP2.MatchString(text)}
	units := map[string]time.Duration{"": time.Second, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour}
	for _, m := range nginxTimeout.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			continue
		}
		d := time.Duration(n) * units[m[3]]
		if have, ok := c.Timeouts[m[1]]; !ok || d < have {
			c.Timeouts[m[1]] = d
		}
	}
	return c
}

// What is looked for in the registry's configuration, in block or flow style.
var (
	yamlComment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	yamlDelete  = regexp.MustCompile(`(?m)^\s+delete:\s*\{?\s*enabled:\s*(true|yes|on)\b`)
	yamlURLs    = regexp.MustCompile(`(?m)^\s+relativeurls:\s*(true|yes|on)\b`)
	yamlCache   = regexp.MustCompile(`(?m)^\s+cache:\s*\{?\s*(?:blobdescriptor|layerinfo):\s*"?([a-z]+)`)
)

// ReadRegistry reads what matters of the registry's configuration, and what the
// environment of its container (NAME=value) changes of that: its variables go
// before the file.
func ReadRegistry(text string, env []string) *RegistryConf {
	text = yamlComment.ReplaceAllString(text, "")
	c := &RegistryConf{Delete: yamlDelete.MatchString(text), RelativeURLs: yamlURLs.MatchString(text)}
	if m := yamlCache.FindStringSubmatch(text); m != nil {
		c.Cache = m[1]
	}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		switch on, err := strconv.ParseBool(value); name {
		case "REGISTRY_STORAGE_DELETE_ENABLED":
			c.Delete = on && err == nil
		case "REGISTRY_HTTP_RELATIVEURLS":
			c.RelativeURLs = on && err == nil
		case "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR":
			c.Cache = value
		}
	}
	if c.Cache == "none" {
		c.Cache = ""
	}
	return c
}
