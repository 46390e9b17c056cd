package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// requestTimeout bounds one request; a finalize can take half a minute at a
	// busy CA.
	requestTimeout = time.Minute
	// maxAnswer bounds one answer in bytes. Chains have some 20 KiB.
	maxAnswer = 1 << 20
	// longestWait bounds what is believed of a Retry-After. The longest rate limits
	// are of a week.
	longestWait = 8 * 24 * time.Hour
)

// transport is what lego speaks through. lego knows no context, reads answers of
// any length and drops most headers: so the context is brought in here, and the
// headers are remembered.
type transport struct {
	base  http.RoundTripper
	ctx   context.Context // ends every request
	agent string
	now   func() time.Time

	mu      sync.Mutex
	retryAt time.Time     // of the last answer that was an error
	skew    time.Duration // the CA's clock minus ours
	dated   bool
	status  int // of the answer to the last request
	clashed bool
}

// newClient gives an HTTP client whose requests end with ctx, and its transport.
func newClient(ctx context.Context, roots *x509.CertPool, agent string, now func() time.Time) (*http.Client, *transport) {
	t := &transport{ctx: ctx, agent: agent, now: now, base: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: requestTimeout,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	return &http.Client{
		Transport: t,
		Timeout:   requestTimeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 3 || req.URL.Scheme != "https" {
				return errors.New("a redirect that is not followed")
			}
			return nil
		},
	}, t
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return nil, errors.New("the address is not one of https")
	}
	ctx, cancel := context.WithCancel(req.Context())
	context.AfterFunc(t.ctx, cancel) // let go when the caller ends t.ctx, as it always does
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", t.agent) // lego would add its own names
	t.mu.Lock()
	t.status = 0
	t.mu.Unlock()
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = limited{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	t.remember(resp)
	// The CA that says nothing would be asked every five seconds; a validation
	// takes about one.
	if strings.Contains(strings.Join(resp.Header.Values("Link"), ","), `rel="up"`) && resp.Header.Get("Retry-After") == "" {
		resp.Header.Set("Retry-After", "1")
	}
	return resp, nil
}

type limited struct {
	io.Reader
	io.Closer
}

func (t *transport) remember(resp *http.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		t.skew, t.dated = date.Sub(t.now()), true
	}
	t.status = resp.StatusCode
	t.clashed = t.clashed || resp.StatusCode == http.StatusConflict
	if resp.StatusCode >= 400 {
		t.retryAt = time.Time{}
		if wait, ok := retryAfter(resp.Header, t.now()); ok {
			t.retryAt = t.now().Add(wait)
		}
	}
}

// retry is when the CA's last refusal said to come again, zero if it did not.
func (t *transport) retry() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.retryAt
}

// last is the status of the answer to the last request, 0 when there was none.
func (t *transport) last() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// conflict says whether any answer was 409: lego itself orders once more, without
// replaces, when the CA says that the certificate has a successor already.
func (t *transport) conflict() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clashed
}

// apart is how far the CA's clock is ahead of ours, and whether it told.
func (t *transport) apart() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.skew, t.dated
}

// retryAfter reads a Retry-After, in seconds or as a date; ok is false when there
// is none that can be read. Nothing above longestWait is believed.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return 0, false
		}
		return time.Duration(min(n, int64(longestWait/time.Second))) * time.Second, true
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), longestWait), true
}
