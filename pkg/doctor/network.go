package doctor

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

func networkChecks() []Check {
	return []Check{
		{ID: "RC040", Severity: Warning, Title: "the domain has no address",
			Why:  "clients that ask the same DNS do not find the registry, and no CA can check the name",
			Mend: "add an A or AAAA record for the domain, or a line in /etc/hosts of each client",
			look: func(f *Facts) []sighting {
				if f.Names == nil || f.Stack == nil || f.Names.Error == "" {
					return nil
				}
				return saw("%s: %s", f.Stack.Domain, f.Names.Error)
			}},
		{ID: "RC041", Severity: Error, Title: "the domain leads to another server",
			Why:  "clients talk to that one, and a CA asks it for the proof",
			Mend: "change the record of the domain; behind a proxy or load balancer of your own that brings its own certificate this is as it should be",
			look: func(f *Facts) []sighting {
				ours := f.leaf()
				if f.Names == nil || ours == "" {
					return nil
				}
				var out []sighting
				for _, a := range f.Names.Addresses {
					if a.Leaf != "" && a.Leaf != ours {
						out = append(out, sighting{seen: fmt.Sprintf("%s at %s shows another certificate than this registry", f.Stack.Domain, a.IP)})
					}
				}
				return out
			}},
		{ID: "RC042", Severity: Warning, Title: "an address of the domain cannot be reached",
			Why:  "a firewall may be in the way, or the router does not let this host reach its own outside address",
			Mend: "try it from another machine: curl -v https://DOMAIN/v2/; then let the port through, here (ufw status, nft list ruleset) and at the provider",
			look: func(f *Facts) []sighting {
				if f.Names == nil || f.leaf() == "" {
					return nil
				}
				var out []sighting
				for _, a := range f.Names.Addresses {
					if a.Error != "" {
						where := "not an address of this host"
						if a.Local {
							where = "an address of this host"
						}
						out = append(out, sighting{seen: fmt.Sprintf("%s (%s): %s", a.IP, where, a.Error)})
					}
				}
				return out
			}},
		{ID: "RC043", Severity: Error, Title: "plain HTTP for the certificate authority is not answered",
			Why:  "a certificate is proven on port 80 (http-01), and cannot be renewed without it",
			Mend: "regctl up{dir}; http_port in regctl.yaml has to be reached as port 80 from outside; or acme.challenge: dns-01",
			look: func(f *Facts) []sighting {
				switch p := f.Door80; {
				case p == nil || f.down():
					return nil
				case p.Error != "":
					return saw("port %d: %s", f.Stack.HTTPPort, p.Error)
				case p.Status != 404:
					return saw("port %d answers %d for a challenge that is not there instead of 404", f.Stack.HTTPPort, p.Status)
				}
				return nil
			}},
	}
}

// leaf is the sum of the certificate that the front door itself serves.
func (f *Facts) leaf() string {
	if f.Door == nil || len(f.Door.Chain) == 0 {
		return ""
	}
	return Fingerprint(f.Door.Chain[0].Raw)
}

// Fingerprint is the SHA-256 of a certificate in hexadecimal.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
