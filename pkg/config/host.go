package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkHost accepts what can stand in an image reference, in a certificate and
// in a directory's name alike: one spelling, so that all three agree.
func checkHost(text string) string {
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return checkHostIP(text, addr)
	}
	switch {
	case strings.Contains(text, "://"):
		return "has to be a host name without a scheme"
	case strings.ContainsAny(text, "/?#"):
		return "has to be a host name without a path"
	case strings.ContainsAny(text, " \t"):
		return "has to be a host name without spaces"
	case strings.Contains(text, "@"):
		return "has to be a host name without a user"
	case strings.Contains(text, ":"):
		return "has to be a host name without a port, which goes into https_port"
	case strings.HasSuffix(text, "."):
		return "has to be a host name without the dot at its end"
	case strings.Contains(text, "*"):
		return "has to be one host name, not a pattern"
	case !isASCII(text):
		return "has to be written in its ASCII form, which starts with xn--"
	case strings.ToLower(text) != text:
		return fmt.Sprintf("has to be in lower case: %q", shorten(strings.ToLower(text)))
	case len(text) > 253:
		return "is longer than the 253 characters of a host name"
	}
	labels := strings.Split(text, ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return "has to be a host name: words of 1 to 63 letters, digits and inner hyphens, with dots between them"
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "is neither a host name nor an IP address"
	}
	return ""
}

func checkHostIP(text string, addr netip.Addr) string {
	switch {
	case strings.ContainsAny(text, "[]"):
		return fmt.Sprintf("has to be written without brackets: %q", addr)
	case addr.Zone() != "" || addr.Is4In6() || addr.IsMulticast() || addr.IsUnspecified():
		return "is an IP address that clients cannot use"
	case addr.String() != text:
		return fmt.Sprintf("has to be written %q", addr)
	}
	return ""
}
