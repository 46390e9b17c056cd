package doctor

import (
	"fmt"
	"slices"
	"time"
)

// The least that an answer or a configuration should have.
const (
	leastHSTS    = 180 * 24 * time.Hour
	mostSkew     = 30 * time.Second
	leastTimeout = 60 * time.Second
)

func doorChecks() []Check {
	door := func(is func(*Door) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.Door == nil || f.down() {
				return nil
			}
			if seen := is(f.Door); seen != "" {
				return saw("%s", seen)
			}
			return nil
		}
	}
	return []Check{
		{ID: "RC020", Severity: Error, Title: "nothing answers with TLS on the published port",
			Why:  "clients need it to come in",
			Mend: "regctl up{dir}; regctl logs nginx{dir}",
			look: door(func(d *Door) string {
				switch {
				case d.DialError != "":
					return d.Address + ": " + d.DialError
				case d.TLSError != "":
					return d.Address + ": " + d.TLSError
				}
				return ""
			})},
		{ID: "RC021", Severity: Error, Title: "another program has the port",
			Why:  "Nginx cannot publish it, and clients meet the other one",
			Mend: "end what uses it, or change the port in regctl.yaml",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, p := range f.Ports {
					if !p.Taken || p.Ours {
						continue
					}
					by := p.By
					if by == "" {
						by = "a program that cannot be seen from here"
					}
					out = append(out, sighting{seen: fmt.Sprintf("port %d (%s) is used by %s", p.Number, p.Key, by)})
				}
				return out
			}},
		{ID: "RC022", Severity: Error, Title: "Nginx does not reach the registry",
			Why:  "every pull and push ends with 502 or 503; it goes by the socket that both share, not by an address",
			Mend: "regctl restart{dir}; regctl logs registry{dir}",
			look: func(f *Facts) []sighting {
				if f.Smoke.is(noBackend...) {
					return saw("%s: %s", f.Smoke.Step, f.Smoke.Error)
				}
				if f.Door != nil && f.Door.Hangs {
					return saw("GET /v2/ is not answered in time: the registry, or auth beside it, hangs")
				}
				if f.Door == nil || f.Door.Status < 502 || f.Door.Status > 504 {
					return nil
				}
				return saw("GET /v2/ answers %d", f.Door.Status)
			}},
		{ID: "RC023", Severity: Error, Title: "the registry asks for no password",
			Why:  "everybody can pull, and perhaps push",
			Mend: "regctl diff{dir} shows what was changed by hand; regctl up --force{dir} puts it back",
			look: door(func(d *Door) string {
				if d.Status != 200 {
					return ""
				}
				return "GET /v2/ without a password answers 200"
			})},
		{ID: "RC024", Severity: Error, Title: "what answers on the port is not this registry",
			Why:  "clients log in with Basic, which has to be asked for with 401",
			Mend: "look for another program or proxy in front; regctl diff{dir}",
			look: door(func(d *Door) string {
				switch {
				case d.Error != "" && !d.Hangs:
					return "GET /v2/: " + d.Error
				case d.Status == 401 && d.Challenge != "basic":
					return fmt.Sprintf("GET /v2/ answers 401 with the challenge %q instead of Basic", d.Challenge)
				case d.Status != 0 && !slices.Contains([]int{200, 401, 502, 503, 504}, d.Status):
					return fmt.Sprintf("GET /v2/ answers %d instead of 401", d.Status)
				}
				return ""
			})},
		{ID: "RC025", Severity: Error, Title: "large layers are refused",
			Why:  "a push then ends with 413, the commonest failure of registries behind a proxy",
			Mend: "client_max_body_size 0; in nginx.conf, as regctl renders it: regctl up --force{dir}; a proxy in front has a limit of its own",
			look: door(func(d *Door) string {
				switch {
				case d.Body == 413:
					return "a body of 64 MiB is refused with 413"
				case d.BodyError != "":
					return "a request that announces 64 MiB got no answer: " + d.BodyError
				}
				return ""
			})},
		{ID: "RC026", Severity: Warning, Title: "no Strict-Transport-Security",
			Why:  "a browser that was led to plain HTTP would go on there",
			Mend: "regctl up --force{dir} renders nginx.conf anew; a proxy in front may take the header out",
			look: door(func(d *Door) string {
				switch {
				case d.Status == 0:
					return ""
				case d.HSTS == 0:
					return "the answer has no Strict-Transport-Security header"
				case d.HSTS < leastHSTS:
					return "its time is " + days(d.HSTS) + " only"
				}
				return ""
			})},
		{ID: "RC027", Severity: Warning, Title: "the clocks differ",
			Why:  "certificates, expiries of users and renewals go by the clock",
			Mend: "timedatectl set-ntp true, on both",
			look: door(func(d *Door) string {
				if d.Skew.Abs() < mostSkew {
					return ""
				}
				if d.Skew < 0 {
					return "the registry's clock is " + days(-d.Skew) + " behind this one"
				}
				return "the registry's clock is " + days(d.Skew) + " ahead of this one"
			})},
		{ID: "RC028", Severity: Error, Title: "uploads are led to a wrong address",
			Why:  "the client follows the registry's Location: to another host, another port or plain HTTP",
			Mend: "http.relativeurls: true in registry/config.yml, as regctl renders it, and REGISTRY_HTTP_RELATIVEURLS taken out of docker-compose.override.yml; then regctl up --force{dir}; a proxy in front has to pass Host and X-Forwarded-Proto",
			look: func(f *Facts) []sighting {
				var out []sighting
				if f.Storage != nil && !f.Storage.RelativeURLs {
					out = saw("relative URLs are off in the registry")
				}
				if f.Smoke.is(wrongLocation...) {
					out = append(out, saw("%s: %s", f.Smoke.Step, f.Smoke.Error)...)
				}
				return out
			}},
		{ID: "RC029", Severity: Error, Title: "nothing can be deleted",
			Why:  "tags stay for ever, and a disk that fills can only be cleaned by hand",
			Mend: "storage.delete.enabled: true in registry/config.yml, as regctl renders it, and REGISTRY_STORAGE_DELETE_ENABLED taken out of docker-compose.override.yml; then regctl up --force{dir}",
			look: func(f *Facts) []sighting {
				if f.Storage != nil && !f.Storage.Delete {
					return saw("delete is off in the registry")
				}
				if f.Smoke.is(noDelete...) {
					return saw("%s: %s", f.Smoke.Step, f.Smoke.Error)
				}
				return nil
			}},
		{ID: "RC030", Severity: Warning, Title: "time-outs are too short",
			Why:  "a large layer on a slow line takes minutes, and the push ends with 504 or is cut off",
			Mend: "regctl up --force{dir} renders nginx.conf anew",
			look: func(f *Facts) []sighting {
				var out []sighting
				if f.NginxAt == nil {
					return nil
				}
				for _, name := range sortedKeys(f.NginxAt.Timeouts) {
					if d := f.NginxAt.Timeouts[name]; d < leastTimeout {
						out = append(out, sighting{seen: fmt.Sprintf("%s is %s in nginx.conf", name, d)})
					}
				}
				return out
			}},
		{ID: "RC031", Severity: Error, Title: "the cache of blob descriptors is on",
			Why:  "after a garbage collection the registry says of blobs that are gone that they are there: pushed images cannot be pulled",
			Mend: "take storage.cache out of registry/config.yml, and REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR out of docker-compose.override.yml; then regctl up --force{dir}",
			look: func(f *Facts) []sighting {
				if f.Storage == nil || f.Storage.Cache == "" {
					return nil
				}
				return saw("it is %q", f.Storage.Cache)
			}},
		{ID: "RC032", Severity: Error, Title: "a push and pull through the front door fails",
			Why:  "so would a client's",
			Mend: "regctl smoke --verbose{dir}; regctl logs{dir}",
			look: func(f *Facts) []sighting {
				if f.Smoke == nil || f.Smoke.is(slices.Concat(wrongLocation, noDelete, noBackend)...) {
					return nil // has a check of its own
				}
				seen := f.Smoke.Step + ": " + f.Smoke.Error
				if f.Smoke.Meaning != "" {
					seen += "; usually: " + f.Smoke.Meaning
				}
				return saw("%s", seen)
			}},
		{ID: "RC033", Severity: Warning, Title: "HTTP/2 is on",
			Why:  "a push over HTTP/2 through Nginx is many times slower on any line with latency (measured 1.5 instead of over 100 MB/s at 40 ms)",
			Mend: "take http2 out of nginx.conf: regctl up --force{dir}",
			look: func(f *Facts) []sighting {
				if f.NginxAt == nil || !f.NginxAt.HTTP2 {
					return nil
				}
				return saw("nginx.conf turns it on")
			}},
	}
}

// Causes of pkg/smoke that have a check of their own.
var (
	wrongLocation = []string{"location_missing", "location_plain_http", "location_other_host", "location_other_port", "location_other_path"}
	noBackend     = []string{"registry_unreachable"}
	noDelete      = []string{"delete_disabled"}
)

// is tells whether the push failed for one of these causes.
func (s *Smoke) is(causes ...string) bool { return s != nil && slices.Contains(causes, s.Cause) }
