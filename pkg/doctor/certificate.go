package doctor

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"
)

// soon is when a certificate that nothing renewed needs a person.
const soon = 14 * 24 * time.Hour

func certificateChecks() []Check {
	// disk calls a check with the certificate on disk, where there is one.
	disk := func(is func(*Facts, *x509.Certificate) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.Certificate == nil || len(f.Certificate.Chain) == 0 {
				return nil
			}
			if seen := is(f, f.Certificate.Chain[0]); seen != "" {
				return saw("%s", seen)
			}
			return nil
		}
	}
	served := func(is func(*Facts, []*x509.Certificate) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.Door == nil || len(f.Door.Chain) == 0 {
				return nil
			}
			if seen := is(f, f.Door.Chain); seen != "" {
				return saw("%s", seen)
			}
			return nil
		}
	}
	return []Check{
		{ID: "RC050", Severity: Error, Title: "there is no certificate on disk",
			Why:  "Nginx does not start without one",
			Mend: "regctl up{dir}",
			look: func(f *Facts) []sighting {
				if f.Certificate == nil || f.Certificate.Error == "" {
					return nil
				}
				return saw("%s", f.Certificate.Error)
			}},
		{ID: "RC051", Severity: Error, Title: "the certificate is not valid now",
			Why:  "every client refuses the connection",
			Mend: "regctl cert renew{dir}; regctl up{dir}",
			look: disk(func(f *Facts, leaf *x509.Certificate) string {
				switch {
				case f.Now.After(leaf.NotAfter):
					return "it ended on " + leaf.NotAfter.UTC().Format(time.DateTime)
				case f.Now.Before(leaf.NotBefore):
					return "it begins on " + leaf.NotBefore.UTC().Format(time.DateTime) + "; is this host's clock right?"
				}
				return ""
			})},
		{ID: "RC052", Severity: Warning, Title: "the certificate ends soon",
			Why:  "then every client refuses the connection",
			Mend: "regctl cert renew{dir}",
			look: disk(func(f *Facts, leaf *x509.Certificate) string {
				left := leaf.NotAfter.Sub(f.Now)
				// A short-lived one is always near its end.
				if left <= 0 || left > soon || left > leaf.NotAfter.Sub(leaf.NotBefore)/4 {
					return ""
				}
				return "it ends in " + days(left)
			})},
		{ID: "RC053", Severity: Error, Title: "another certificate is served than lies on disk",
			Why:  "a renewal that is not loaded ends with the old certificate's end",
			Mend: "regctl cert renew{dir}; or regctl up{dir}",
			look: served(func(f *Facts, chain []*x509.Certificate) string {
				if f.Certificate == nil || len(f.Certificate.Chain) == 0 || bytes.Equal(f.Certificate.Chain[0].Raw, chain[0].Raw) {
					return ""
				}
				return fmt.Sprintf("served: serial %x until %s; on disk: serial %x until %s", chain[0].SerialNumber, chain[0].NotAfter.UTC().Format(time.DateOnly),
					f.Certificate.Chain[0].SerialNumber, f.Certificate.Chain[0].NotAfter.UTC().Format(time.DateOnly))
			})},
		{ID: "RC054", Severity: Error, Title: "the certificate does not cover a name",
			Why:  "clients refuse it for that name",
			Mend: "regctl up{dir}, or with files of your own: get one that covers it; regctl cert issue{dir} asks the CA",
			look: func(f *Facts) []sighting {
				if f.Certificate == nil || len(f.Certificate.Chain) == 0 {
					return nil
				}
				var out []sighting
				for _, name := range f.Certificate.Names {
					if f.Certificate.Chain[0].VerifyHostname(name) != nil {
						out = append(out, sighting{seen: "it is not for " + name})
					}
				}
				return out
			}},
		{ID: "RC055", Severity: Warning, Title: "intermediate certificates are missing",
			Why:  "browsers may have them from elsewhere, docker does not: x509: certificate signed by unknown authority",
			Mend: "put the CA's intermediates behind the certificate (fullchain.pem, not cert.pem), then regctl cert import or regctl up{dir}",
			look: served(func(f *Facts, chain []*x509.Certificate) string {
				if f.Certificate == nil || complete(chain, f.Certificate.Roots, f.Now) {
					return ""
				}
				return fmt.Sprintf("its issuer, %q, is not sent with it and is not a CA that is trusted here", chain[0].Issuer.String())
			})},
		{ID: "RC056", Severity: Warning, Title: "nothing renews the certificate by itself",
			Why:  "it ends, and nobody thinks of it",
			Mend: "regctl schedule install{dir}", Fixable: true,
			look: func(f *Facts) []sighting {
				if f.Certificate == nil || !f.Certificate.Renews || f.Schedule == nil || f.Schedule.Error != "" || f.Schedule.Installed {
					return nil
				}
				if f.Schedule.Wanted == 0 {
					return saw("schedule.cert is off in regctl.yaml")
				}
				return saw("neither systemd nor cron runs regctl cert renew for it")
			}},
		{ID: "RC057", Severity: Error, Title: "the certificate is not renewed as it should be",
			Why:  "when it ends, every client refuses the connection",
			Mend: "regctl cert status{dir}; regctl cert renew --force{dir} tries now",
			look: func(f *Facts) []sighting {
				var out []sighting
				if f.Certificate == nil {
					return nil
				}
				for _, line := range f.Certificate.Renewal {
					out = append(out, sighting{seen: line})
				}
				return out
			}},
	}
}

// complete tells whether a client that has nothing but roots can follow a chain as
// it is sent. A certificate that signed itself needs nobody. Where the chain leads
// to a root that is not known here, it is complete if the issuer is sent with it.
func complete(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) bool {
	leaf := chain[0]
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		return true
	}
	sent := x509.NewCertPool()
	for _, c := range chain[1:] {
		if leaf.CheckSignatureFrom(c) == nil {
			return true
		}
		sent.AddCert(c)
	}
	// That it is over is another finding.
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		now = leaf.NotAfter.Add(-time.Minute)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: sent, CurrentTime: now})
	return err == nil
}
