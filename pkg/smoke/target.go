package smoke

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// What a zero field of Target stands for.
const (
	DefaultRepository = "regctl/smoke"
	DefaultSize       = 8 << 20
	DefaultTimeout    = 30 * time.Second
)

const (
	smallSize = 64 << 10  // bytes of the image's other layer and of the index's layers
	slowest   = 256 << 10 // bytes a second below which a step that carries data times out
)

// ErrTarget says that a Target is unusable as it stands.
var ErrTarget = errors.New("target is not usable")

// Target says which registry to try, and as whom.
type Target struct {
	Host     string         // domain[:port] as clients write it; port 443 unless given
	DialAddr string         // host:port to dial in place of Host; empty: Host is resolved
	Roots    *x509.CertPool // whom to trust, for every host met; nil: the system's roots
	Username string
	Password string

	Repository string        // where to push; empty: DefaultRepository
	Size       int64         // bytes of the larger layer; 0: DefaultSize
	Timeout    time.Duration // bounds each step; 0: DefaultTimeout. A step that moves the larger layer gets the time for 256 KiB a second on top.
}

// String leaves the password out, so that a Target may be logged.
func (t Target) String() string {
	return fmt.Sprintf("https://%s/%s as %s", t.Host, t.Repository, t.Username)
}

// GoString is String: %#v must not show the password either.
func (t Target) GoString() string { return t.String() }

// complete returns t with its defaults filled in, or an ErrTarget.
func (t Target) complete() (Target, error) {
	if t.Repository == "" {
		t.Repository = DefaultRepository
	}
	if t.Size == 0 {
		t.Size = DefaultSize
	}
	if t.Timeout == 0 {
		t.Timeout = DefaultTimeout
	}
	u, err := url.Parse("https://" + t.Host)
	if err != nil || u.Host != t.Host || u.Hostname() == "" || !goodPort(u) {
		return t, fmt.Errorf("%w: host %q is not a name with an optional port", ErrTarget, t.Host)
	}
	if t.DialAddr != "" {
		if _, _, err := net.SplitHostPort(t.DialAddr); err != nil {
			return t, fmt.Errorf("%w: %q is not an address to dial, host:port", ErrTarget, t.DialAddr)
		}
	}
	// With a registry in front, since "a/b" alone is taken for one on Docker Hub.
	if _, err := name.NewRepository("registry.invalid/"+t.Repository, name.StrictValidation); err != nil {
		return t, fmt.Errorf("%w: %q is not a repository name", ErrTarget, t.Repository)
	}
	// RFC 7617: a colon would end the name inside the header.
	if t.Username == "" || strings.ContainsRune(t.Username, ':') {
		return t, fmt.Errorf("%w: user %q is not a user name", ErrTarget, t.Username)
	}
	// The client library sends no header at all for an empty password.
	if t.Password == "" {
		return t, fmt.Errorf("%w: the password of user %q is empty", ErrTarget, t.Username)
	}
	if t.Size < 0 || t.Timeout < 0 {
		return t, fmt.Errorf("%w: size and timeout must not be negative", ErrTarget)
	}
	return t, nil
}

func goodPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n > 0 && n < 1<<16
}

// hostPort returns host with the port of HTTPS where it has none.
func hostPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}

// hostName returns the name in host[:port], without the brackets of an IPv6 address.
func hostName(host string) string {
	h, _, err := net.SplitHostPort(hostPort(host))
	if err != nil {
		return host
	}
	return h
}

// address is what to dial for Host.
func (t Target) address() string {
	if t.DialAddr != "" {
		return t.DialAddr
	}
	return hostPort(t.Host)
}

// dataTimeout bounds a step that moves the larger layer.
func (t Target) dataTimeout() time.Duration {
	return t.Timeout + time.Duration(t.Size/slowest)*time.Second
}
