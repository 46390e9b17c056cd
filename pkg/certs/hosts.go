package certs

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// hosts is the names of a deployment, by what certificates call them.
type hosts struct {
	domain string // the first, which the deployment is called by
	dns    []string
	ips    []netip.Addr
	local  bool // localhost is one of them
}

// parseHosts sorts names into host names and addresses. A server called
// localhost is reached by its addresses too, so those join it.
func parseHosts(names []string) (h hosts, err error) {
	add := func(ip netip.Addr) {
		if ip = ip.Unmap(); !slices.Contains(h.ips, ip) {
			h.ips = append(h.ips, ip)
		}
	}
	if len(names) == 0 {
		return h, errors.New("no name to issue a certificate for")
	}
	h.domain = names[0]
	for _, n := range names {
		if err := checkName(n); err != nil {
			return h, err
		}
		if ip, err := netip.ParseAddr(n); err == nil {
			add(ip)
		} else if !slices.Contains(h.dns, n) {
			h.dns = append(h.dns, n)
		}
		if n == "localhost" {
			h.local = true
			add(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
			add(netip.IPv6Loopback())
		}
	}
	return h, nil
}

func (h hosts) netIPs() (all []net.IP) {
	for _, ip := range h.ips {
		all = append(all, ip.AsSlice())
	}
	return all
}

// equal says whether a certificate is for exactly these names.
func (h hosts) equal(c *x509.Certificate) bool {
	want := slices.Clone(h.dns)
	for _, ip := range h.ips {
		want = append(want, ip.String())
	}
	have := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		have = append(have, ip.String())
	}
	slices.Sort(want)
	slices.Sort(have)
	return slices.Equal(want, have)
}

func (h hosts) String() string {
	all := slices.Clone(h.dns)
	for _, ip := range h.ips {
		all = append(all, ip.String())
	}
	return strings.Join(all, ", ")
}

// constrain limits a CA to these names. A constraint binds only names of its
// own type (RFC 5280, 4.2.1.10): a CA that is permitted one host name and
// nothing else may still sign for every IP address. So a type of which there is
// no name is excluded altogether, by what matches all of it.
func (h hosts) constrain(ca *x509.Certificate) {
	ca.PermittedDNSDomainsCritical = true // of all the constraints, despite its name
	ca.PermittedDNSDomains = h.dns
	if len(h.dns) == 0 {
		ca.ExcludedDNSDomains = []string{""}
	}
	for _, ip := range h.ips {
		ca.PermittedIPRanges = append(ca.PermittedIPRanges, ipNet(netip.PrefixFrom(ip, ip.BitLen())))
	}
	if h.local {
		ca.PermittedIPRanges = append(ca.PermittedIPRanges, ipNet(netip.MustParsePrefix("127.0.0.0/8")))
	}
	if len(h.ips) == 0 {
		ca.ExcludedIPRanges = []*net.IPNet{ipNet(netip.MustParsePrefix("0.0.0.0/0")), ipNet(netip.MustParsePrefix("::/0"))}
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
