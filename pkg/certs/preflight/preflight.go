// Package preflight looks, before a CA is asked for the first time, for what
// most often makes it refuse: a name that does not resolve, a port 80 that leads
// elsewhere, a CAA record that forbids the CA. A failed validation counts against
// the CA's limits, a look beforehand does not.
//
// What it finds is a warning and no more: this host may see other DNS than the
// CA, and a router may not let it reach its own public address.
package preflight

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Finding is one thing that may make the CA refuse.
type Finding struct {
	Name    string // of the deployment
	Problem string // one line, without the name
	Fix     string
}

// Answers is where a CA's questions over HTTP are answered from.
type Answers interface {
	Put(token, answer string) error
	Remove(token string) error
}

// Checker asks the questions. The zero Checker asks the system's resolver, and
// port 80.
type Checker struct {
	Resolver *net.Resolver // nil: the system's
	Servers  []string      // host:port to ask for CAA records; nil: those of /etc/resolv.conf
	HTTPPort int           // 0: 80
	Timeout  time.Duration // of each question; 0: ten seconds
}

func (c Checker) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return 10 * time.Second
}

// Names looks whether each name leads anywhere.
func (c Checker) Names(ctx context.Context, names []string) []Finding {
	return each(names, func(name string) *Finding {
		if isIP(name) {
			return nil
		}
		bounded, cancel := context.WithTimeout(ctx, c.timeout())
		defer cancel()
		_, err := c.resolver().LookupNetIP(bounded, "ip", name)
		if err == nil {
			return nil
		}
		var dnsErr *net.DNSError
		if errors.As(err, &dnsErr) && dnsErr.IsNotFound {
			return &Finding{name, "does not resolve", "add an A or AAAA record with this host's address"}
		}
		return &Finding{name, "could not be resolved: " + clean(err.Error()), "look at this host's DNS, then at the name's"}
	})
}

func (c Checker) resolver() *net.Resolver {
	if c.Resolver != nil {
		return c.Resolver
	}
	return net.DefaultResolver
}

// Port80 puts up a random answer and fetches it through each name, as the CA
// will. Its error is that the answer could not be put up.
func (c Checker) Port80(ctx context.Context, answers Answers, path string, names []string) ([]Finding, error) {
	token, answer := "regctl-"+random(), random()
	if err := answers.Put(token, answer); err != nil {
		return nil, err
	}
	found := each(names, func(name string) *Finding {
		problem := c.fetch(ctx, name, path+token, answer)
		if problem == "" {
			return nil
		}
		return &Finding{name, problem, "let port 80 of the name lead to http_port of this host, through firewall and router; where the router does not let a host reach its own public address, this says nothing"}
	})
	return found, answers.Remove(token)
}

// fetch says what is wrong with the answer over HTTP, "" for nothing. It follows
// redirects, over any certificate, as CAs do.
func (c Checker) fetch(ctx context.Context, name, path, want string) string {
	bounded, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	host := name
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is6() {
		host = "[" + name + "]"
	}
	if c.HTTPPort != 0 {
		host = net.JoinHostPort(name, strconv.Itoa(c.HTTPPort))
	}
	transport := &http.Transport{ // no proxy: the CA uses none
		DialContext:       (&net.Dialer{Resolver: c.Resolver}).DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(bounded, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return clean(err.Error())
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		var inner interface{ Unwrap() error }
		if errors.As(err, &inner) && inner.Unwrap() != nil {
			err = inner.Unwrap() // the URL is known
		}
		return "does not answer on port 80: " + clean(err.Error())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	switch {
	case err != nil:
		return "does not answer on port 80: " + clean(err.Error())
	case resp.StatusCode != http.StatusOK:
		return fmt.Sprintf("answers %d on port 80: another server, or another deployment, is there", resp.StatusCode)
	case strings.TrimSpace(string(body)) != want:
		return "answers something else on port 80: another server is there"
	}
	return ""
}

// each asks about all names at once and keeps their order.
func each(names []string, ask func(string) *Finding) (all []Finding) {
	found := make([]*Finding, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() { found[i] = ask(name) })
	}
	wait.Wait()
	for _, f := range found {
		if f != nil {
			all = append(all, *f)
		}
	}
	return all
}

func isIP(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

func random() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return hex.EncodeToString(b[:])
}

// clean makes a text from elsewhere one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
