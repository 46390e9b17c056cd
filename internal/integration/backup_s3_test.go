//go:build integration

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// objectStorage is an S3 server on the bridge where containers without a network
// of their own are, with a certificate of its own CA.
type objectStorage struct {
	endpoint, ca string
	// before, if set, is called with each request.
	before atomic.Pointer[func(*http.Request)]
}

func newObjectStorage(t *testing.T) *objectStorage {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	s := &objectStorage{ca: filepath.Join(t.TempDir(), "storage-ca.pem")}
	bridge := bridgeAddress(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before := s.before.Load(); before != nil {
			(*before)(r)
		}
		handler.ServeHTTP(w, r)
	}))
	l, err := net.Listen("tcp", net.JoinHostPort(bridge.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv.Listener.Close()
	srv.Listener = l
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, bridge, s.ca)}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s.endpoint = "https://" + l.Addr().String()
	return s
}

// bridgeAddress is this machine's own address on the engine's default network.
func bridgeAddress(t *testing.T) net.IP {
	t.Helper()
	name := strings.TrimSpace(tool(t, "docker", "network", "inspect", "bridge", "--format", `{{index .Options "com.docker.network.bridge.name"}}`))
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	addresses, err := bridge.Addrs()
	if err != nil || len(addresses) == 0 {
		t.Fatalf("%s has no address: %v", name, err)
	}
	ip, _, err := net.ParseCIDR(addresses[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return ip
}

// selfSigned makes a certificate for an address and writes it to a file.
func selfSigned(t *testing.T, ip net.IP, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "object storage of a test"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const storageSecret = "the-secret-key-of-the-storage-7f3a"

// TestBackupToObjectStorage backs a stack up to S3, kills backups and restores at
// random moments while clients push, and brings everything back on a fresh host.
func TestBackupToObjectStorage(t *testing.T) {
	t.Parallel()
	storage := newObjectStorage(t)
	f := newFront(t, options{}, "backup:", "  target: s3://backups/here", "  endpoint: "+storage.endpoint, "  region: us-east-1",
		"  credentials: private/backup.env", "  ca: private/storage-ca.pem")
	credentials := "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=" + storageSecret + "\n"
	writeFile(t, f.path("private/backup.env"), credentials, 0o600)
	s := f.seedRepository(t, "team/app")
	f.pushIndex(t, "team/multi:v1", 2)

	// With another CA nothing is sent, and the file to name is told.
	writeFile(t, f.path("private/storage-ca.pem"), f.read(t, "certs/ca.pem"), 0o644)
	f.regctl(t, "backup").want(t, 5, "certificate signed by unknown authority", "hint: if the storage has a CA of its own, name its certificate in backup.ca")
	writeFile(t, f.path("private/storage-ca.pem"), readFile(t, storage.ca), 0o644)

	seen := f.watchJob(t, storage)
	r := f.must(t, "backup", "--verbose")
	job := seen()
	for _, want := range []string{`"NetworkMode": "bridge"`, f.project + "_registry-data"} {
		if !strings.Contains(job.inspect, want) {
			t.Errorf("the container of the backup lacks %s:\n%s", want, job.inspect)
		}
	}
	if strings.Contains(job.inspect, `"Type": "bind"`) {
		t.Errorf("the container of the backup has a directory of the host:\n%s", job.inspect)
	}
	audit := f.read(t, ".regctl/audit.log")
	for where, text := range map[string]string{"docker inspect": job.inspect, "a command line or environment": job.processes, "what it says": r.stdout + r.stderr,
		"the audit": audit, "what is kept for status": f.read(t, ".regctl/last-backup.json")} {
		if text == "" || strings.Contains(text, storageSecret) {
			t.Errorf("%s has the secret key, or is empty:\n%s", where, text)
		}
	}
	// A drill restores from there, and the registry that it starts has no network.
	f.must(t, "backup", "drill")
	f.noDrill(t)
	if strings.Contains(f.read(t, ".regctl/last-drill.json"), storageSecret) {
		t.Error("what is kept of the drill has the secret")
	}
	var ls struct{ Snapshots []struct{ Host string } }
	f.must(t, "backup", "ls", "--json").json(t, &ls)
	if host, err := os.Hostname(); err != nil || len(ls.Snapshots) != 1 || ls.Snapshots[0].Host != host {
		t.Errorf("the snapshot is of another host than %s: %+v, %v", host, ls, err)
	}

	t.Run("killed in a storm", func(t *testing.T) { f.killBackups(t, storage, s) })
	t.Run("restores are killed", func(t *testing.T) { f.killRestores(t, s) })
	t.Run("on a fresh host", func(t *testing.T) {
		f.must(t, "backup")
		f.must(t, "down")
		if err := removeProject(t.Context(), f.project); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(f.dir); err != nil {
			t.Fatal(err)
		}
		env := []string{"AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=" + storageSecret, "AWS_ENDPOINT_URL=" + storage.endpoint,
			"AWS_REGION=us-east-1", "AWS_CA_BUNDLE=" + storage.ca}
		startProcess(t, env, "", regctlBin, "restore", "--from", "s3://backups/here", "--dir", f.dir).wait(t).want(t, 0)
		f.must(t, "up")
		f.http = f.client(t)
		f.whole(t, "team/app:v1")
		f.whole(t, "team/multi:v1")
		if got := f.read(t, "private/backup.env"); got != credentials {
			t.Error("the credentials did not come back")
		}
		f.must(t, "backup")
	})
}

// job is how a one-off container looked while it was at work.
type job struct{ inspect, processes string }

// watchJob looks at the container of the next backup, and at all command lines
// and environments of this machine, when it sends its first blob.
func (f *front) watchJob(t *testing.T, s *objectStorage) func() job {
	t.Helper()
	var once sync.Once
	var out job
	look := func(r *http.Request) {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/data/") {
			return
		}
		once.Do(func() {
			out.inspect = tool(t, "sh", "-c", `docker inspect $(docker ps --quiet --filter label=io.regctl.once="$1")`, "sh", f.project)
			out.processes = tool(t, "sh", "-c", `cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -v '^$' || :`)
		})
	}
	s.before.Store(&look)
	return func() job { s.before.Store(nil); return out }
}

// kills is how often backups and restores are killed at least; those that are done
// before do not count.
const kills = 2

// killBackups kills backups, the process here or the container, while a client
// pushes: what the store has stays good, no lock stays that needs a hand, and the
// next backup has every tag.
func (f *front) killBackups(t *testing.T, storage *objectStorage, s seed) {
	slow := func(*http.Request) { time.Sleep(10 * time.Millisecond) }
	storage.before.Store(&slow)
	defer storage.before.Store(nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var pushed atomic.Int64
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			a, err := f.tryAsk(t, f.boss(), http.MethodPut, fmt.Sprintf("/v2/team/app/manifests/storm-%d", n%5), f.another(s), ociType)
			if err != nil || a.StatusCode != http.StatusCreated {
				t.Errorf("a push: %v %v", err, a.Status)
				return
			}
			pushed.Add(1)
		}
	})
	took := f.must(t, "backup").took
	for i, done := 0, 0; i < kills+done && i < 10*kills; i++ {
		p := f.start(t, "", "backup")
		if r := f.kill(t, p, i, took); r.status == 0 {
			done++
			took = min(took, r.took)
		}
		f.must(t, "backup", "verify", "--data")
		// At once, unless the container of a process that was killed is still ending.
		eventually(t, time.Minute, "prune has the backups to itself", func() bool { return f.regctl(t, "backup", "prune").status == 0 })
	}
	close(stop)
	wg.Wait()
	if pushed.Load() == 0 {
		t.Error("nothing was pushed meanwhile")
	}
	f.must(t, "backup")
	f.must(t, "backup", "verify", "--data")
}

// killRestores kills restores in place: the old or the new images are there, and
// the next run brings the new ones and has the registry run.
func (f *front) killRestores(t *testing.T, s seed) {
	links := func() string {
		root := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/repositories")
		return tool(t, "sh", "-c", `cd "$1" && find . -path '*/_uploads' -prune -o -name link -printf '%p %m %U %G %T@\n' | sort`, "sh", root)
	}
	after := links()
	took := f.must(t, "restore", "--yes").took
	for i, done := 0, 0; i < kills+done && i < 10*kills; i++ {
		f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, fmt.Sprintf("/v2/team/app/manifests/later-%d", i), f.another(s), ociType)
		before := links()
		p := f.start(t, "", "restore", "--yes")
		r := f.kill(t, p, i, took)
		now := links()
		if now != before && now != after {
			t.Fatalf("%v\nneither old nor new is in place:\n%s", r, now)
		}
		if r.status == 0 {
			done++
			took = min(took, r.took)
		} else {
			f.must(t, "restore", "--yes")
		}
		if now = links(); now != after {
			t.Fatalf("%v\nthen again, and in place is\n%s\nwant\n%s", r, now, after)
		}
		f.whole(t, "team/app:v1")
		f.whole(t, "team/multi:v1")
	}
}

// kill kills a regctl that is at work, or in turn the container in which it is,
// within the time that it takes.
func (f *front) kill(t *testing.T, p *process, turn int, took time.Duration) result {
	t.Helper()
	time.Sleep(mathrand.N(took)) // the moment is the test
	if turn%2 == 0 {
		p.signal(t, syscall.SIGKILL)
	} else if id := f.left(t); id != "" {
		try(t, "docker", "kill", id) // it may have ended meanwhile
	}
	return p.wait(t)
}
