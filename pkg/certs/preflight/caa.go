package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// CAA looks whether DNS lets a CA of one of those identities issue by that kind
// of challenge ("http-01"). A CA that has told no identity is not looked at.
func (c Checker) CAA(ctx context.Context, names, identities []string, challenge string) []Finding {
	if len(identities) == 0 {
		return nil
	}
	servers := c.Servers
	if servers == nil {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil
		}
		for _, s := range conf.Servers {
			servers = append(servers, joinPort(s, conf.Port))
		}
	}
	return each(names, func(name string) *Finding {
		if isIP(name) {
			return nil
		}
		records, at, problem := c.climb(ctx, servers, name)
		if problem != "" {
			return &Finding{name, problem, "CAs refuse a name whose CAA records they cannot read: look at its DNS servers"}
		}
		if allowed(records, identities, challenge) {
			return nil
		}
		return &Finding{name, fmt.Sprintf("has a CAA record at %s that forbids %s: %s", at, identities[0], clean(strings.Join(written(records), ", "))),
			fmt.Sprintf("add to %s: CAA 0 issue %q", at, identities[0])}
	})
}

func joinPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// climb finds the CAA records that count for a name: its own, else those of the
// nearest parent that has any (RFC 8659, 3).
func (c Checker) climb(ctx context.Context, servers []string, name string) (records []*dns.CAA, at, problem string) {
	for at = name; at != ""; {
		found, rcode := c.ask(ctx, servers, at)
		if rcode == dns.RcodeServerFailure {
			return nil, at, fmt.Sprintf("has no CAA answer: the DNS servers of %s fail (SERVFAIL)", at)
		}
		if len(found) > 0 {
			return found, at, ""
		}
		_, at, _ = strings.Cut(at, ".")
	}
	return nil, "", ""
}

// ask asks the servers in turn. Silence counts as no record: this host may simply
// be cut off.
func (c Checker) ask(ctx context.Context, servers []string, name string) (records []*dns.CAA, rcode int) {
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), dns.TypeCAA)
	question.SetEdns0(1232, false)
	for _, server := range servers {
		answer, _, err := (&dns.Client{Timeout: c.timeout()}).ExchangeContext(ctx, question, server)
		if err == nil && answer.Truncated {
			answer, _, err = (&dns.Client{Net: "tcp", Timeout: c.timeout()}).ExchangeContext(ctx, question, server)
		}
		if err != nil {
			continue
		}
		for _, rr := range answer.Answer {
			if caa, ok := rr.(*dns.CAA); ok {
				records = append(records, caa)
			}
		}
		return records, answer.Rcode
	}
	return nil, dns.RcodeSuccess
}

// allowed goes by RFC 8659, 4.2 and the parameter of RFC 8657: without an issue
// record everybody may issue, else those that are named.
func allowed(records []*dns.CAA, identities []string, challenge string) bool {
	restricted := false
	for _, r := range records {
		if !strings.EqualFold(r.Tag, "issue") {
			continue
		}
		restricted = true
		parts := strings.Split(r.Value, ";")
		if !slices.ContainsFunc(identities, func(id string) bool { return strings.EqualFold(strings.TrimSpace(parts[0]), id) }) {
			continue
		}
		methods := ""
		for _, p := range parts[1:] {
			if key, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(key), "validationmethods") {
				methods = strings.TrimSpace(value)
			}
		}
		if methods == "" || slices.Contains(strings.Split(methods, ","), challenge) {
			return true
		}
	}
	return !restricted
}

func written(records []*dns.CAA) (all []string) {
	for _, r := range records {
		all = append(all, fmt.Sprintf("%d %s %q", r.Flag, r.Tag, r.Value))
	}
	return all
}
