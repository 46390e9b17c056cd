package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/regctl/regctl/pkg/cron"
	"github.com/regctl/regctl/pkg/pattern"
)

// maxImageName leaves room for the docker.io/library/ that Docker puts before a
// name in its limit of 255.
const maxImageName = 235

// maxProject is a bound of this file's own, a DNS label; Compose sets none.
const maxProject = 63

// format is a check of text that is not empty.
type format struct {
	// check says what is wrong, "" for nothing.
	check func(text string) string
	// pattern goes into the JSON schema: it accepts all that check accepts,
	// and maybe more. "" for none.
	pattern string
}

// formatNamed returns the format that a field's tag names.
func formatNamed(name string) format {
	switch name {
	case "project":
		return format{checkProject, projectPattern}
	case "host":
		return format{checkHost, `^[0-9a-z.:-]+$`}
	case "ip":
		return format{checkIP, `^[0-9a-f.:]+$`}
	case "email":
		return format{checkEmail, `^[^@ ]+@[^@ ]+$`}
	case "https-url":
		return format{checkHTTPSURL, `^https://`}
	case "path":
		return format{checkPath, `[^/]$`}
	case "image":
		return format{checkImage, imagePattern}
	case "challenge":
		return format{checkChallenge, `^(http|dns)-01$`}
	case "dns-provider":
		return format{checkDNSProvider, `^(` + strings.Join(dnsProviders[:], "|") + `)$`}
	case "host-port":
		return format{checkHostPort, `^.+:[0-9]+$`}
	case "tag-pattern":
		return format{checkTagPattern, `^[a-z0-9._*/-]+:[A-Za-z0-9_.*-]+$`}
	case "backup-target":
		return format{checkBackupTarget, `^(/|s3://).+`}
	case "age-recipient":
		return format{checkRecipient, `^age1[0-9a-z]+$`}
	case "repository-pattern":
		return format{problemOf(pattern.Check), `^[a-z0-9._*/-]{1,255}$`}
	case "tag-name-pattern":
		return format{problemOf(pattern.CheckTag), `^[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,127}$`}
	case "times":
		return format{problemOf(cron.Check), `^(off|six-hourly|daily|weekly|monthly|\s*\S+\s+\S+\s+\S+\s+\S+\s+\S+\s*)$`}
	default:
		panic("config: no format named " + name)
	}
}

const projectPattern = `^[a-z0-9][a-z0-9_-]{0,62}$`

var projectName = regexp.MustCompile(projectPattern)

func checkProject(text string) string {
	if projectName.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("has to be 1 to %d of a-z, 0-9, _ and -, the first a letter or digit, such as %q", maxProject, ProjectName(text))
}

func checkIP(text string) string {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return "has to be an IP address, without port or brackets"
	case addr.Zone() != "" || addr.Is4In6() || addr.IsMulticast():
		return "is an IP address of a kind that cannot be used here"
	case addr.String() != text:
		return fmt.Sprintf("has to be written %q", addr)
	}
	return ""
}

func checkEmail(text string) string {
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || !isASCII(text) {
		return "has to be an e-mail address such as admin@example.com, without a name"
	}
	return ""
}

// checkHTTPSURL does not repeat the text, which may hold a password.
func checkHTTPSURL(text string) string {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || !strings.HasPrefix(text, "https://") || parsed.Hostname() == "" || strings.Contains(text, " "):
		return "has to be a URL that starts with https://"
	case parsed.User != nil:
		return "must not hold a user or a password"
	case parsed.Fragment != "":
		return "must not hold a fragment (#)"
	}
	return ""
}

func checkPath(text string) string {
	switch {
	case strings.HasSuffix(text, "/"):
		return "has to name a file, not a directory"
	case strings.HasPrefix(text, "~"):
		return "has to be written without ~, which only a shell expands"
	case strings.TrimSpace(text) != text:
		return "starts or ends with a space"
	}
	return ""
}

// imagePattern is the grammar of github.com/distribution/reference: an optional
// host, a repository, a tag, a digest. The first component may always be read
// as part of the repository.
const imagePattern = `^((` + imageHost + `|\[[0-9a-fA-F:.]+\])(:[0-9]+)?/)?` +
	imagePath + `(/` + imagePath + `)*` +
	`(:[0-9A-Za-z_][0-9A-Za-z_.-]{0,127})?` +
	`(@sha256:[0-9a-f]{64})?$`

const (
	imageHost = `[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?(\.[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?)*`
	imagePath = `[0-9a-z]+((\.|_|__|-+)[0-9a-z]+)*`
)

var (
	imageReference = regexp.MustCompile(imagePattern)
	imageID        = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func checkImage(text string) string {
	switch {
	case strings.Contains(text, "://"):
		return "has to be an image reference without a scheme, name[:tag][@digest]"
	case imageID.MatchString(text):
		return "is an image ID, which no other host can pull: write name[:tag][@digest]"
	case !imageReference.MatchString(text):
		return "has to be an image reference, name[:tag][@digest], the name in lower case"
	}
	name, _, _ := strings.Cut(text, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	if len(name) > maxImageName {
		return fmt.Sprintf("has a name of more than %d characters", maxImageName)
	}
	return ""
}

// problemOf makes a check of one that returns an error.
func problemOf(check func(string) error) func(string) string {
	return func(text string) string {
		if err := check(text); err != nil {
			return err.Error()
		}
		return ""
	}
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

var (
	repositoryPattern = regexp.MustCompile(`^(?:[a-z0-9._*-]+/)*[a-z0-9._*-]+$`)
	tagPattern        = regexp.MustCompile(`^[A-Za-z0-9_.*-]{1,128}$`)
)

// checkTagPattern checks REPOSITORY:TAG, both with * for any text within a
// component, and ** for any number of components of the repository.
func checkTagPattern(text string) string {
	repository, tag, ok := strings.Cut(text, ":")
	if !ok {
		return `has to be REPOSITORY:TAG, such as "release/**:v*"`
	}
	if !repositoryPattern.MatchString(repository) {
		return fmt.Sprintf("%q is no pattern of repositories: components of a-z, 0-9, '.', '_', '-' and *, separated by /", repository)
	}
	for component := range strings.SplitSeq(repository, "/") {
		if strings.Contains(component, "**") && component != "**" {
			return fmt.Sprintf("%q is no pattern of repositories: ** has to stand alone between slashes", repository)
		}
	}
	if !tagPattern.MatchString(tag) {
		return fmt.Sprintf("%q is no pattern of tags: 1 to 128 of letters, digits, '.', '_', '-' and *", tag)
	}
	return ""
}

// checkChallenge gives the reason for what is left out. tls-alpn-01 would need
// Nginx to answer some handshakes on the clients' own port with another
// certificate: a module that the official image does not have, or a reload for
// each validation.
func checkChallenge(text string) string {
	switch text {
	case HTTP01, DNS01:
		return ""
	case "tls-alpn-01":
		return "cannot be tls-alpn-01: Nginx would have to hand port 443 over for it, and clients' requests would fail meanwhile; set http-01 or dns-01"
	}
	return fmt.Sprintf("has to be http-01 or dns-01, not %q", shorten(text))
}

// dnsProviders are those that pkg/certs/acme has; a test compares them.
var dnsProviders = [...]string{"acmedns", "cloudflare", "desec", "digitalocean", "duckdns", "exec", "gandiv5", "hetzner", "httpreq", "porkbun"}

func checkDNSProvider(text string) string {
	if slices.Contains(dnsProviders[:], text) {
		return ""
	}
	return fmt.Sprintf("has to be %s, not %q; exec and httpreq reach every other", oneOf(dnsProviders[:]), shorten(text))
}

func checkHostPort(text string) string {
	host, port, err := net.SplitHostPort(text)
	if n, convErr := strconv.Atoi(port); err != nil || convErr != nil || host == "" || n < 1 || n > 65535 {
		return "has to be an address with a port, such as 192.0.2.53:53"
	}
	return ""
}
