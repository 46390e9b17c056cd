package compose

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// server returns the block of the server that listens so.
func server(t *testing.T, http []directive, listen string) []directive {
	t.Helper()
	for _, s := range in(http, "server") {
		for _, l := range values(s.block, "listen") {
			if l == listen || strings.HasPrefix(l, listen+" ") {
				return s.block
			}
		}
	}
	return nil
}

// TestGoldenNginx asserts each setting that a registry behind Nginx needs.
func TestGoldenNginx(t *testing.T) {
	for _, g := range goldenCases() {
		t.Run(g.name, func(t *testing.T) {
			conf := parseNginx(t, g.render(t)[NginxConf].Data)
			blocks := in(conf, "http")
			if len(blocks) != 1 {
				t.Fatalf("%d http blocks", len(blocks))
			}
			http := blocks[0].block
			tls := server(t, http, "443")
			v2 := in(tls, "location", "/v2/")
			if len(v2) != 1 {
				t.Fatalf("%d locations /v2/", len(v2))
			}
			g.checkNames(t, tls)
			checkUpstream(t, http, tls)
			checkFrontDoor(t, tls)
			g.checkPlainHTTP(t, http)
			checkTransfer(t, tls, tls)
			checkHeaders(t, tls)
			checkTLS(t, conf, tls)
			checkLimits(t, http, tls)
			checkSurface(t, http, tls)
		})
	}
}

func (g goldenCase) checkNames(t *testing.T, tls []directive) {
	t.Helper()
	name := g.config.Domain
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	equal(t, "server_name", values(tls, "server_name"), []string{name})
	live := "/etc/regctl/certs/live/" + g.config.Domain
	equal(t, "ssl_certificate", values(tls, "ssl_certificate"), []string{live + "/fullchain.pem"})
	equal(t, "ssl_certificate_key", values(tls, "ssl_certificate_key"), []string{live + "/privkey.pem"})
}

// Sockets, which a container made anew keeps: an address that was resolved once
// means 502 from then on.
func checkUpstream(t *testing.T, http, tls []directive) {
	t.Helper()
	for name, socket := range map[string]string{"registry": "registry.sock", "auth": "auth.sock"} {
		up := in(http, "upstream", name)
		if len(up) != 1 {
			t.Fatalf("%d upstream blocks %s", len(up), name)
		}
		equal(t, name, values(up[0].block, "server"), []string{"unix:/run/regctl/" + socket + " max_fails=0"})
		equal(t, name+" keepalive", len(values(up[0].block, "keepalive")), 1)
	}
	for _, to := range everywhere(tls, "proxy_pass") {
		equal(t, "what is forwarded is what was judged", to, "http://registry$uri$front_query")
	}
}

// checkFrontDoor: nothing is passed on that was not judged, and no password.
func checkFrontDoor(t *testing.T, tls []directive) {
	t.Helper()
	equal(t, "auth_request", values(tls, "auth_request"), []string{"/_front/authorize"})
	for _, d := range tls {
		if d.words[0] != "location" || d.words[len(d.words)-1] == "/" {
			continue
		}
		passes, off := everywhere(d.block, "proxy_pass"), values(d.block, "auth_request")
		if len(passes) > 0 && len(off) > 0 {
			t.Errorf("%v passes on what nobody judged", d.words)
		}
		if len(off) > 0 && len(values(d.block, "internal")) == 0 && d.words[1] != "@blob" && d.words[len(d.words)-1] != "/v2" {
			t.Errorf("%v is open to clients without judgement", d.words)
		}
		// A location that sets one of these headers inherits none from the server.
		if set := headersSet(d.block); len(set) > 0 {
			for name, value := range headersSet(tls) {
				if got, ok := set[name]; !ok || got != value {
					t.Errorf("%v: header %s is %q, the server has %q", d.words, name, got, value)
				}
			}
			equal(t, "a form in the body of an upload's start names nothing", set["Content-Type"], "application/octet-stream")
		}
	}
	// Writes are read whole before they are judged a last time.
	write := in(tls, "location", "=", "/_front/write")
	if len(write) != 1 {
		t.Fatalf("%d places for writes", len(write))
	}
	equal(t, "js_content", values(write[0].block, "js_content"), []string{"front.write"})
	// From both places that take writes, and not from the server: its rewrites run
	// for inner requests as well.
	equal(t, "rewrites of the server", len(in(tls, "if", "($front_write)")), 2)
	for _, place := range [][]string{{"location", "/v2/"}, {"location", "~", "^/v2/.+/blobs/[^/]+:[^/]+$"}} {
		equal(t, "the way there", everywhere(in(tls, place...)[0].block, "rewrite"), []string{"^ /_front/write last"})
	}
	equal(t, "bodies stay in memory", values(write[0].block, "client_body_in_single_buffer"), []string{"on"})
}

func headersSet(ds []directive) map[string]string {
	set := map[string]string{}
	for _, d := range ds {
		if d.words[0] == "proxy_set_header" {
			set[d.words[1]] = d.words[2]
		}
	}
	return set
}

// checkPlainHTTP: the port without TLS answers a certificate authority, nothing
// else.
func (g goldenCase) checkPlainHTTP(t *testing.T, http []directive) {
	t.Helper()
	plain := server(t, http, "80")
	if g.config.HTTPPort == 0 {
		if plain != nil {
			t.Error("there is a server on port 80 although http_port is 0")
		}
		return
	}
	acme := in(plain, "location", "^~", "/.well-known/acme-challenge/")
	if len(acme) != 1 {
		t.Fatalf("no place for answers to ACME: %v", plain)
	}
	equal(t, "acme root", values(acme[0].block, "root"), []string{"/etc/regctl/acme"})
	equal(t, "locations on port 80", len(values(plain, "location")), 2)
	equal(t, "the rest of port 80", values(in(plain, "location", "/")[0].block, "return"), []string{"404"})
	equal(t, "proxying on port 80", everywhere(plain, "proxy_pass"), nil)
}

func checkTransfer(t *testing.T, tls, v2 []directive) {
	t.Helper()
	for _, w := range []struct {
		where []directive
		name  string
		value string
	}{
		{tls, "client_max_body_size", "0"}, // else 413 on push
		{v2, "proxy_request_buffering", "off"},
		{v2, "proxy_http_version", "1.1"},
		{v2, "proxy_max_temp_file_size", "0"}, // else layers over 1 GiB are cut
		{v2, "proxy_next_upstream", "off"},    // a body cannot be sent twice
	} {
		equal(t, w.name, values(w.where, w.name), []string{w.value})
	}
	for _, w := range []struct {
		where []directive
		name  string
		least time.Duration
	}{
		{tls, "send_timeout", 900 * time.Second}, {tls, "client_body_timeout", 300 * time.Second},
		{v2, "proxy_read_timeout", 900 * time.Second}, {v2, "proxy_send_timeout", 900 * time.Second},
	} {
		v := values(w.where, w.name)
		if len(v) != 1 {
			t.Errorf("%s: %q", w.name, v)
		} else if d, err := time.ParseDuration(v[0]); err != nil || d < w.least {
			t.Errorf("%s is %s, want %s or more", w.name, v[0], w.least)
		}
	}
	// Nginx's own: 8 of 4 or 8 KiB.
	buffers := strings.Fields(strings.Join(values(v2, "proxy_buffers"), " "))
	if len(buffers) != 2 {
		t.Fatalf("proxy_buffers: %q", buffers)
	}
	number, _ := strconv.Atoi(buffers[0])
	size, _ := strconv.Atoi(strings.TrimSuffix(buffers[1], "k"))
	if number*size <= 64 {
		t.Errorf("proxy_buffers %q are not larger than Nginx's own", buffers)
	}
}

// checkHeaders: the registry makes its Location of these headers; what a client
// sends in them must not arrive.
func checkHeaders(t *testing.T, tls []directive) {
	t.Helper()
	set := headersSet(tls)
	for name, want := range map[string]string{
		"Host": "$door_host", "X-Forwarded-Proto": "$scheme", "Connection": "",
		"Forwarded": "", "X-Forwarded-Host": "", "X-Forwarded-Port": "", "X-Forwarded-Prefix": "",
		"X-Forwarded-For": "$remote_addr", "Authorization": "",
	} {
		if got, ok := set[name]; !ok || got != want {
			t.Errorf("proxy_set_header %s is %q (set: %v), want %q", name, got, ok, want)
		}
	}
	// Headers of the server hold in a location only where that adds none itself.
	want := values(tls, "add_header")
	for _, d := range tls {
		if added := values(d.block, "add_header"); len(added) > 0 {
			for _, w := range want {
				if !slices.Contains(added, w) {
					t.Errorf("%v adds headers and so drops %q", d.words, w)
				}
			}
		}
	}
}

func checkTLS(t *testing.T, conf, tls []directive) {
	t.Helper()
	for name, want := range map[string]string{
		"ssl_protocols": "TLSv1.2 TLSv1.3", "ssl_session_tickets": "off",
		"ssl_session_cache": "shared:tls:10m", "ssl_prefer_server_ciphers": "off",
	} {
		equal(t, name, values(tls, name), []string{want})
	}
	hsts := ""
	for _, v := range values(tls, "add_header") {
		if rest, ok := strings.CutPrefix(v, "Strict-Transport-Security "); ok {
			hsts = rest
		}
	}
	equal(t, "HSTS, on errors too", hsts, "max-age=63072000 always")
	for _, name := range []string{"ssl_stapling", "http2", "ssl_dhparam"} {
		equal(t, name, everywhere(conf, name), nil)
	}
	if l := values(tls, "listen"); strings.Contains(strings.Join(l, " "), "http2") {
		t.Errorf("HTTP/2 on %q: pushes over it are many times slower", l)
	}
	for _, cipher := range strings.Split(strings.Join(values(tls, "ssl_ciphers"), ""), ":") {
		if !strings.HasPrefix(cipher, "ECDHE-") || !strings.Contains(cipher, "GCM") && !strings.Contains(cipher, "POLY1305") {
			t.Errorf("cipher %s has no forward secrecy or no authentication", cipher)
		}
	}
}

func checkLimits(t *testing.T, http, tls []directive) {
	t.Helper()
	equal(t, "limit_conn zones", len(values(http, "limit_conn_zone")), 1)
	equal(t, "limit_req zones", len(values(http, "limit_req_zone")), 1)
	equal(t, "limit_conn", len(values(tls, "limit_conn")), 1)
	req := values(tls, "limit_req")
	if len(req) != 1 || !strings.Contains(req[0], "burst=") || !strings.HasSuffix(req[0], "nodelay") {
		t.Errorf("limit_req: %q, want a burst that is not delayed", req)
	}
	// 503 would be read as an outage.
	equal(t, "limit_conn_status", values(http, "limit_conn_status"), []string{"429"})
	equal(t, "limit_req_status", values(http, "limit_req_status"), []string{"429"})
}

// checkSurface: nothing but the API is answered, and nothing is told.
func checkSurface(t *testing.T, http, tls []directive) {
	t.Helper()
	equal(t, "server_tokens", values(http, "server_tokens"), []string{"off"})
	for _, l := range in(tls, "location", "/") {
		equal(t, "outside /v2/ nobody is asked for a password", values(l.block, "auth_request"), []string{"off"})
	}
	for _, path := range values(tls, "location") { // every other place is for clients of /v2/, or internal
		l := in(tls, append([]string{"location"}, strings.Fields(path)...)...)[0].block
		reached := strings.Contains(path, "/v2") || path == "/"
		if named := strings.HasPrefix(path, "@"); !reached && !named && len(values(l, "internal")) == 0 {
			t.Errorf("clients reach %s", path)
		}
	}
	rest := in(tls, "location", "/")[0].block
	if r := values(rest, "return"); len(r) != 1 || !strings.HasPrefix(r[0], `404 {"errors":[{"code":`) {
		t.Errorf("outside /v2/: %q", r)
	}
	equal(t, "internal", len(values(in(tls, "location", "/_error/")[0].block, "internal")), 1)
	equal(t, "listen of the health check", len(server(t, http, "127.0.0.1:8080")) > 0, true)
	// What a password or an upload's state can be in is not logged.
	for _, d := range http {
		if d.words[0] != "log_format" {
			continue
		}
		for _, secret := range []string{"authorization", "$args", "$request_uri", "$query_string", "$request ", "cookie"} {
			if strings.Contains(strings.ToLower(strings.Join(d.words, " ")), secret) {
				t.Errorf("the access log holds %s", secret)
			}
		}
	}
}
