package cli

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/doctor"
)

const (
	probeTimeout = 5 * time.Second
	dnsTimeout   = 4 * time.Second
	// mostAddresses is more than anybody's registry has.
	mostAddresses = 8
)

// door asks the front door as a client would, on this host.
func (v *visit) door(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	v.facts.Door = doctor.Probe(ctx, doctor.Target{URL: v.d.cfg.URL(), Name: v.d.cfg.Domain, DialAddr: v.d.dialAddr()})
	if v.d.cfg.TLS.Mode != config.ModeLetsEncrypt || v.d.cfg.ACME.Challenge != "http-01" || v.d.cfg.HTTPPort == 0 {
		return
	}
	host, _, _ := net.SplitHostPort(v.d.dialAddr())
	v.facts.Door80 = plain(ctx, net.JoinHostPort(host, strconv.Itoa(v.d.cfg.HTTPPort)), v.d.cfg.Domain)
}

// plain asks for the answer to a challenge that is not there.
func plain(ctx context.Context, addr, domain string) *doctor.Plain {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/.well-known/acme-challenge/regctl-doctor", nil)
	if err != nil {
		return &doctor.Plain{Error: err.Error()}
	}
	req.Host = domain
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: it is this host
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return &doctor.Plain{Error: err.Error()}
	}
	resp.Body.Close()
	return &doctor.Plain{Status: resp.StatusCode}
}

// names looks where the domain leads to.
func (v *visit) names(ctx context.Context) {
	domain := v.d.cfg.Domain
	if domain == "localhost" || net.ParseIP(domain) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	n := &doctor.Names{}
	found, err := net.DefaultResolver.LookupHost(ctx, domain)
	if err != nil {
		n.Error = err.Error()
		v.facts.Names = n
		return
	}
	slices.Sort(found)
	found = slices.Compact(found)
	local := localAddresses()
	n.Addresses = make([]doctor.Address, min(len(found), mostAddresses))
	done := make(chan struct{})
	for i := range n.Addresses {
		go func() {
			defer func() { done <- struct{}{} }()
			a := &n.Addresses[i]
			a.IP, a.Local = found[i], local[found[i]]
			leaf, err := certs.Served(ctx, net.JoinHostPort(found[i], strconv.Itoa(v.d.cfg.HTTPSPort)), domain)
			if a.Leaf = leaf.Fingerprint; err != nil {
				a.Error = err.Error()
			}
		}()
	}
	for range n.Addresses {
		<-done
	}
	v.facts.Names = n
}
