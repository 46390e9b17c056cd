//go:build integration

package integration

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What breaks a stack for doctor. Each is a harm, or is used by one.

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// aged makes a file look old.
func aged(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// putBack puts a file back that was moved away from a directory of its name.
func putBack(name string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		removeFile(t, p.path(name))
		rename(t, p.path(name+".away"), p.path(name))
	}
}

// withoutNginx removes its container, behind regctl's back.
func withoutNginx(t *testing.T, p *patient) {
	tool(t, "docker", "rm", "--force", p.containerID(t, "nginx"))
}

// wrongClock has a registry behind Nginx whose clock is two hours slow, until the
// clock is put right.
func wrongClock(t *testing.T, p *patient) {
	var slow atomic.Int64
	slow.Store(int64(2*time.Hour + time.Minute))
	socket := filepath.Join(p.volume(t, "sockets"), "clock.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	chmod(t, socket, 0o777)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Duration(slow.Load())).UTC().Format(http.TimeFormat))
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	p.free = func() { slow.Store(0) }
	editNginx("location /v2/ {", `location = /v2/ {
            auth_request off;
            proxy_pass http://unix:/run/regctl/clock.sock;
            proxy_pass_header Date;
        }
        location /v2/ {`)(t, p)
}

// stranger is a web server with TLS on the port of the registry.
func stranger(t *testing.T, p *patient) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener.Close()
	eventually(t, 10*time.Second, "the port is free", func() bool {
		l, err := net.Listen("tcp", p.address())
		s.Listener = l
		return err == nil
	})
	s.StartTLS()
	t.Cleanup(s.Close)
	p.free = s.Close
}

// userLine adds a line to the user file, as an editor does.
func userLine(text string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		p.writeUsers(t, p.read(t, "auth/htpasswd")+text+"\n")
	}
}

func withoutLine(text string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		p.writeUsers(t, strings.Replace(p.read(t, "auth/htpasswd"), text+"\n", "", 1))
	}
}

// expired makes the user gone, whose time is over.
func expired(t *testing.T, p *patient) {
	p.must(t, "user", "add", "gone", "--expires", "1d")
	tool(t, "sed", "-i", `s/"expires": "[^"]*"/"expires": "2026-01-01T00:00:00Z"/`, p.path("auth/rights.json"))
}

// oldLog has the access log begin long ago, with everybody in it but gone.
func oldLog(t *testing.T, p *patient) {
	path := p.container(t, "nginx").LogPath
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-40 * 24 * time.Hour).UTC().Format(time.RFC3339)
	var lines strings.Builder
	for _, user := range []string{p.user, "old", "torn"} {
		line := fmt.Sprintf(`{"time":%q,"user":%q,"path":"/v2/"}`+"\n", then, user)
		fmt.Fprintf(&lines, `{"log":%q,"stream":"stdout","time":%q}`+"\n", line, then)
	}
	writeFile(t, path, lines.String()+string(now), 0o640)
}

// certifiedUntil puts a pair of the deployment's own CA on disk that ends so much
// later than now, and does not tell Nginx.
func certifiedUntil(left time.Duration) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		t.Helper()
		block, _ := pem.Decode([]byte(p.read(t, "certs/ca.pem")))
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		block, _ = pem.Decode([]byte(p.read(t, "private/ca-key.pem")))
		signer, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		key, until := newKey(t), time.Now().Add(left+time.Minute)
		leaf := sign(t, &x509.Certificate{SerialNumber: serial(t), Subject: pkix.Name{CommonName: "localhost"},
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
			NotBefore: until.Add(-100 * 24 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca, key, signer.(*ecdsa.PrivateKey))
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		live := p.path("certs/live/localhost")
		writeFile(t, filepath.Join(live, "fullchain.pem"), certificatePEM(leaf)+certificatePEM(ca), 0o644)
		writeFile(t, filepath.Join(live, "privkey.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	}
}

// signal sends a signal to a service's process, from this host: one by the engine
// would be a stop that is meant.
func (p *patient) signal(t *testing.T, service string, s syscall.Signal) {
	t.Helper()
	text := strings.TrimSpace(tool(t, "docker", "inspect", "--format", "{{.State.Pid}}", p.containerID(t, service)))
	pid, err := strconv.Atoi(text)
	if err != nil || pid < 2 { // 0 would be this process and all its kin
		t.Fatalf("the process of %s is %q", service, text)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// restarts kills the registry as often as it takes to be noticed.
func restarts(t *testing.T, p *patient) {
	id := p.containerID(t, "registry")
	for n := 1; n <= 3; n++ {
		p.signal(t, "registry", syscall.SIGKILL)
		eventually(t, 30*time.Second, "the engine starts it again", func() bool {
			return strings.TrimSpace(tool(t, "docker", "inspect", "--format", "{{.RestartCount}} {{.State.Status}}", id)) == strconv.Itoa(n)+" running"
		})
	}
}

// limits gives Nginx's container less memory, and auth a health check that comes
// round fast.
func limits(t *testing.T, p *patient) {
	p.override(t, `  nginx: {mem_limit: 256m, memswap_limit: 256m}
  auth: {healthcheck: {interval: 1s, timeout: 2s, retries: 2, start_period: 0s}}
`)
	p.must(t, "up")
}

// outOfMemory has a process in Nginx's container that needs more than there is.
func outOfMemory(t *testing.T, p *patient) {
	if r := p.exec(t, "nginx", "sh", "-c", "head -c 400m /dev/zero | tail | wc -c"); strings.TrimSpace(r.stdout) == "419430400" {
		t.Fatalf("the limit does not hold: %v", r)
	}
}

// damaged is an image whose manifest was damaged, as a collection met it.
func damaged(t *testing.T, p *patient) {
	digest := p.pushRandom(t, "team/damaged:1", 1)
	hexes := strings.TrimPrefix(digest, "sha256:")
	file := filepath.Join(p.volume(t, "registry-data"), "docker/registry/v2/blobs/sha256", hexes[:2], hexes, "data")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "{}", 0o644)
	p.regctl(t, "gc").want(t, 3)
	p.free = func() { _ = os.WriteFile(file, whole, 0o644) }
}

// pushedAgain is what mends it: its bytes are there again. Whether that is so the
// next collection tells.
func pushedAgain(t *testing.T, p *patient) {
	p.free()
	p.must(t, "gc")
}

// fill leaves a blob that nothing needs on the volume, and so much room beside it.
func fill(room uint64) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		t.Helper()
		var st syscall.Statfs_t
		if err := syscall.Statfs(p.volume(t, "registry-data"), &st); err != nil {
			t.Fatal(err)
		}
		size := st.Bavail*uint64(st.Bsize) - room
		dir := filepath.Join(p.volume(t, "registry-data"), "docker/registry/v2/blobs/sha256/00", "00"+strings.Repeat("1", 62))
		makeDir(t, dir)
		tool(t, "fallocate", "--length", fmt.Sprint(size), filepath.Join(dir, "data"))
	}
}

// manyFiles leaves blobs that nothing needs, until there are few inodes.
func manyFiles(t *testing.T, p *patient) {
	top := filepath.Join(p.volume(t, "registry-data"), "docker/registry/v2/blobs/sha256/01")
	for i := range 920 {
		dir := filepath.Join(top, fmt.Sprintf("01%062x", i))
		makeDir(t, dir)
		writeFile(t, filepath.Join(dir, "data"), "", 0o644)
	}
}

// locked holds the deployment's lock, as a process that hangs does.
func locked(t *testing.T, p *patient) {
	undo := p.free
	holder := fmt.Sprintf(`{"pid": 7, "command": "regctl gc", "started": %q}`, time.Now().Add(-7*time.Hour-time.Minute).Format(time.RFC3339))
	l := startProcess(t, nil, "", "flock", "--no-fork", p.path(".regctl/lock"), "sh", "-c", `echo "$1" >"$2"; echo held; exec sleep 300`, "sh", holder, p.path(".regctl/lock"))
	eventually(t, 10*time.Second, "the lock is held", func() bool { return l.stdout.String() != "" })
	p.free = func() {
		_ = l.cmd.Process.Kill()
		<-l.done
		undo()
	}
}

// drillFails has a backup lose a layer, and a drill find that; the one before
// passed long ago.
func drillFails(t *testing.T, p *patient) {
	p.pushRandom(t, "team/saved:1", 1)
	store := p.bin + "/store"
	p.setConfig(t, "backup", "target", store)
	p.must(t, "backup")
	largest := strings.Fields(tool(t, "sh", "-c", `find "$1"/data -type f -printf '%s %p\n' | sort -n | tail -n 1`, "sh", store))[1]
	rename(t, largest, p.bin+"/lost")
	p.free = func() { _ = os.Rename(p.bin+"/lost", largest) }
	p.regctl(t, "backup", "drill").want(t, 3)
	tool(t, "sed", "-i", `s/"last_passed": null/"last_passed": "2026-01-01T00:00:00Z"/`, p.path(".regctl/last-drill.json"))
}

// largeLog makes a log large, without a byte on the disk.
func largeLog(t *testing.T, p *patient) {
	if err := os.Truncate(p.container(t, "auth").LogPath, 1100<<20); err != nil {
		t.Fatal(err)
	}
}

// filling has the disk of the images fill for ten days.
func filling(t *testing.T, p *patient) {
	var samples []string
	for day := range 10 {
		samples = append(samples, fmt.Sprintf(`{"at": %q, "free": %d}`, time.Now().UTC().Add(time.Duration(day-10)*24*time.Hour).Format(time.RFC3339), (200-18*day)<<20))
	}
	p.write(t, ".regctl/disk.json", `{"the images": [`+strings.Join(samples, ",")+`]}`)
	chmod(t, p.path(".regctl/disk.json"), 0o600)
}

// largerDisk makes the disk of the images larger.
func largerDisk(t *testing.T, p *patient) {
	tool(t, "mount", "-o", "remount,size=4g", p.volume(t, "registry-data"))
}
