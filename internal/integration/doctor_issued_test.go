//go:build integration

package integration

import (
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regctl/regctl/internal/pebble"
)

// issued is a patient whose certificate comes from an ACME server, which does not
// answer at first, and whose name is only in a file of doctor's own.
func issued(t *testing.T) *patient {
	t.Helper()
	p := newPatient(t, options{domain: acmeDomain, httpPort: true})
	var down atomic.Bool
	down.Store(true)
	server, err := pebble.Start(t.TempDir(), pebble.Options{HTTPPort: p.httpPort, Log: pebbleLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Hook = func(*http.Request) int {
		if down.Load() {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	p.free = func() { down.Store(false) }
	p.opts.initArgs = []string{"--tls", "letsencrypt", "--acme-server", server.URL, "--acme-ca", server.CAFile, "--email", "admin@example.com", "--agree-tos"}
	p.init(t)
	if r := p.regctl(t, "up"); r.status != 3 && r.status != 5 {
		t.Fatalf("up without the CA: %v", r)
	}
	p.schedule(t)
	p.leadsTo(t, "127.0.0.1")
	return p
}

// leadsTo has doctor find these addresses for the domain.
func (p *patient) leadsTo(t *testing.T, addresses ...string) {
	t.Helper()
	text := "127.0.0.1 localhost\n"
	for _, a := range addresses {
		text += a + " " + p.domain + "\n"
	}
	writeFile(t, filepath.Join(p.bin, "hosts"), text, 0o644)
	writeFile(t, filepath.Join(p.bin, "resolv.conf"), "nameserver 127.0.0.1\noptions attempts:1\n", 0o644)
	p.mounts = `for f in hosts resolv.conf; do mount --bind ` + p.bin + `/$f "$(readlink -f /etc/$f)" || exit 99; done`
}

func leadsHere(t *testing.T, p *patient) { p.leadsTo(t, "127.0.0.1") }

// TestDoctorIssued breaks what only a stack has whose certificate is issued, and
// its images.
func TestDoctorIssued(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := issued(t)
	for _, r := range issuedRounds() {
		if !t.Run(r.name, func(t *testing.T) { p.treat(t, r) }) {
			return
		}
	}
}

func issuedRounds() []round {
	return []round{
		{name: "no certificate yet", ills: []ailment{
			{id: "RC057", seen: "no certificate was issued yet", cure: freed, mend: "regctl cert renew --force"},
		}},
		{name: "its name", ills: []ailment{
			{id: "RC040", seen: acmeDomain + ": ", cure: leadsHere, harm: func(t *testing.T, p *patient) { p.leadsTo(t) }},
		}},
		{name: "its addresses, and the CA's way", ills: []ailment{
			{id: "RC082", seen: "nginx/nginx.conf is edited", mend: "regctl up --force"},
			{id: "RC063", seen: "nginx does not run what", mend: "regctl up", harm: func(t *testing.T, p *patient) { p.builtAnew(t) }},
			{id: "RC041", seen: "127.0.0.3 shows another certificate", cure: leadsHere, harm: func(t *testing.T, p *patient) {
				p.leadsTo(t, "127.0.0.1", "127.0.0.3", "127.0.0.4")
				another(t, net.JoinHostPort("127.0.0.3", strconv.Itoa(p.httpsPort)))
			}},
			{id: "RC042", seen: "127.0.0.4", cure: leadsHere},
			{id: "RC043", seen: "answers 200 for a challenge that is not there", mend: "regctl up", harm: editNginx("root /etc/regctl/acme;", "return 200;")},
		}},
		{name: "images", ills: []ailment{
			{id: "RC060", seen: "is whatever is the latest", cure: otherImages, harm: func(t *testing.T, p *patient) {
				for image, as := range map[string]string{imageRegistry2: p.oldRegistry(), imageNginx: "regctl.local/" + p.project + ":latest"} {
					tool(t, "docker", "tag", image, as)
					removeImage(t, as)
				}
				p.setConfig(t, "nginx", "image", "regctl.local/"+p.project)
				p.setConfig(t, "registry", "image", p.oldRegistry())
				p.must(t, "up")
				tool(t, "docker", "rmi", "--no-prune", p.oldRegistry())
			}},
			{id: "RC061", seen: "is older than registry:3", mend: "regctl up"},
			{id: "RC062", seen: "is version 2.8", mend: "regctl up"},
			{id: "RC064", seen: "is not here", cure: func(t *testing.T, p *patient) { tool(t, "docker", "tag", imageRegistry2, p.oldRegistry()) }},
		}},
		{name: "a certificate of one's own", ills: []ailment{
			{id: "RC055", seen: `"CN=a company's CA"`, mend: "regctl up", harm: ownWithoutChain, cure: freed},
		}},
	}
}

// ownWithoutChain changes over to a certificate from elsewhere, in the form in which
// the CA's certificate was left out.
func ownWithoutChain(t *testing.T, p *patient) {
	dir := t.TempDir()
	own := ownCertificate{ca: newAuthority(t), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	whole := own.ca.issue(t, p.domain, 1, inThreeMonths())
	own.put(t, pair{strings.TrimSuffix(whole.chain, certificatePEM(own.ca.cert)), whole.key})
	p.setConfig(t, "tls", "", map[string]string{"mode": "files", "cert": own.cert, "key": own.key})
	p.setConfig(t, "acme", "", map[string]string{})
	p.regctl(t, "up").want(t, 0, "the certificate comes alone")
	p.free = func() { own.put(t, whole) }
}

// oldRegistry is the name of an old registry, as of the official ones.
func (p *patient) oldRegistry() string { return "registry:2.0.0-" + p.project }

func otherImages(t *testing.T, p *patient) {
	p.setConfig(t, "nginx", "image", p.opts.nginx)
	p.setConfig(t, "registry", "image", imageRegistry3)
}

// builtAnew gives the name of Nginx's image to another one.
func (p *patient) builtAnew(t *testing.T) {
	t.Helper()
	r := startProcess(t, []string{"DOCKER_BUILDKIT=0"}, "FROM "+imageNginx+"\nLABEL of="+p.project+"\n", "docker", "build", "--quiet", "--tag", p.opts.nginx, "-").wait(t)
	r.want(t, 0)
}

// another is a server with TLS and a certificate of its own.
func another(t *testing.T, address string) {
	t.Helper()
	ca := newAuthority(t)
	own := ca.issue(t, acmeDomain, 7, inThreeMonths())
	certificate, err := tls.X509KeyPair([]byte(own.chain), []byte(own.key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// TestDoctorNowhere visits a deployment that is not there yet, and one whose
// regctl.yaml is broken: the rest is looked at all the same.
func TestDoctorNowhere(t *testing.T) {
	t.Parallel()
	p := newPatient(t, options{})
	for _, r := range nowhereRounds() {
		if !t.Run(r.name, func(t *testing.T) { p.treat(t, r) }) {
			return
		}
	}
}

func nowhereRounds() []round {
	return []round{
		{name: "nothing there", left: "RC007 RC056", ills: []ailment{
			{id: "RC001", seen: "regctl.yaml", cure: func(t *testing.T, p *patient) { p.init(t) }},
		}},
		{name: "a broken regctl.yaml", left: "RC007 RC056", ills: []ailment{
			{id: "RC002", seen: "https_port", harm: edit("regctl.yaml", "https_port: ", "https_port: x"), cure: func(t *testing.T, p *patient) {
				r := p.regctl(t, "config", "validate") // what it names is put right
				r.want(t, 4, "https_port")
				p.write(t, "regctl.yaml", strings.Replace(p.read(t, "regctl.yaml"), "https_port: x", "https_port: ", 1))
			}},
		}},
	}
}
