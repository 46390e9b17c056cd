package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// authority issues certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = issue(t, by, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-900 * day), NotAfter: now.Add(900 * day), KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) leaf(from, until time.Time, names ...string) *x509.Certificate {
	a.t.Helper()
	c, _ := issue(a.t, a, &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: from, NotAfter: until})
	return c
}

func issue(t *testing.T, by *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// healthy is a deployment with which all is well.
func healthy(t *testing.T) *Facts {
	ca := newAuthority(t, "root", nil)
	chain := []*x509.Certificate{ca.leaf(now.Add(-30*day), now.Add(60*day), "registry.example.com"), ca.cert}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	last := now.Add(-day)
	service := func(name string) Service {
		return Service{Name: name, State: "running", Health: "healthy", Started: now.Add(-day)}
	}
	return &Facts{
		Now: now, Dir: "/opt/registry", DirFlag: " -C /opt/registry",
		Stack:    &Stack{Project: "registry", Domain: "registry.example.com", URL: "https://registry.example.com", TLSMode: "letsencrypt", HTTPSPort: 443, HTTPPort: 80, Age: 90 * day},
		Engine:   &Engine{Version: "28.0.0", API: "1.50"},
		Compose:  &Compose{Version: "2.30.0"},
		Services: []Service{service("registry"), service("auth"), service("nginx")},
		Memory:   &Memory{Available: 2 << 30, Total: 4 << 30},
		Door:     &Door{Address: "127.0.0.1:443", Chain: chain, Status: 401, Challenge: "basic", HSTS: 730 * day, Skew: -time.Second, Body: 401},
		Ports:    []Port{{Number: 443, Key: "https_port", Ours: true, Taken: true}, {Number: 80, Key: "http_port"}},
		Names:    &Names{Addresses: []Address{{IP: "192.0.2.1", Local: true, Leaf: Fingerprint(chain[0].Raw)}}},
		Door80:   &Plain{Status: 404},
		NginxAt:  &NginxConf{Timeouts: map[string]time.Duration{"proxy_read_timeout": 900 * time.Second}},
		Storage:  &RegistryConf{Delete: true, RelativeURLs: true},
		Certificate: &Certificate{Chain: chain, Names: []string{"registry.example.com"},
			Roots: roots, Renews: true},
		Images: []Image{{Service: "registry", Ref: "registry:3.1.2", Here: true, Same: true, Running: true, Version: "3.1.2", Default: "registry:3.1.2"},
			{Service: "nginx", Ref: "nginx:1.30.6-alpine", Here: true, Same: true, Running: true, Version: "1.30.6", Default: "nginx:1.30.6-alpine"}},
		Users: &Users{List: []User{{Name: "ci", Scheme: "bcrypt", Cost: 5}, {Name: "ann", Scheme: "bcrypt", Cost: 12}},
			Seen: map[string]time.Time{"ci": now, "ann": now}, LogSince: now.Add(-60 * day)},
		Files:    []File{{Path: "auth/htpasswd", Mode: 0o600, Most: 0o640}},
		Drift:    []Drift{{Path: "nginx/nginx.conf", State: "current"}},
		Disks:    []Disk{{What: "the images", Path: "/var/lib/registry", Free: 50 << 30, Total: 100 << 30, Inodes: 1000, InodesFree: 900}},
		Logs:     []Log{{Service: "nginx", Driver: "json-file", Bounded: true, Size: 1 << 20}},
		Schedule: &Schedule{Wanted: 1, Installed: true, Current: true},
		Runs:     []Run{{Kind: "gc", Last: &last, Every: 35 * day, Command: "regctl gc", Scheduled: true}},
		Drill:    &Drill{Last: &last, LastPassed: &last, Every: 100 * day, Passed: true, Snapshot: "20260101T000000Z-00000000"},
		Lock:     nil,
	}
}

func TestHealthyHasNoFinding(t *testing.T) {
	if found := Examine(healthy(t)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// What is not known is no finding: nothing of this was found out.
func TestNothingKnownHasNoFinding(t *testing.T) {
	if found := Examine(&Facts{Now: now}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	if found := Examine(&Facts{Now: now, Stack: &Stack{}, Engine: &Engine{}, Certificate: &Certificate{}, Users: &Users{List: []User{{Name: "a"}}}, Schedule: &Schedule{}, Door: &Door{}}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// broken breaks a healthy deployment in one way, and says what is to be seen.
type broken struct {
	id, seen string
	how      func(t *testing.T, f *Facts)
}

var ways = []broken{
	{"RC001", "there is no regctl.yaml in /x", func(_ *testing.T, f *Facts) { *f = Facts{Now: now, NoConfig: "there is no regctl.yaml in /x"} }},
	{"RC002", "line 3: domain: is empty", func(_ *testing.T, f *Facts) {
		*f = Facts{Now: now, ConfigFaults: []string{"line 3: domain: is empty"}}
	}},
	{"RC002", "cannot be read: permission denied", func(_ *testing.T, f *Facts) { *f = Facts{Now: now, ConfigError: "permission denied"} }},
	{"RC003", "nothing listens", func(_ *testing.T, f *Facts) {
		f.Engine = &Engine{Error: "nothing listens", Hint: "start it"}
		f.Services, f.Images = nil, nil
	}},
	{"RC004", "API version 1.40", func(_ *testing.T, f *Facts) { f.Engine.API = "1.40" }},
	{"RC005", "missing", func(_ *testing.T, f *Facts) { f.Compose = &Compose{Error: "docker compose is missing"} }},
	{"RC006", "belong to /other", func(_ *testing.T, f *Facts) { f.Owner = "/other" }},
	{"RC007", "no service", func(_ *testing.T, f *Facts) {
		f.Services = []Service{{Name: "registry"}, {Name: "auth"}, {Name: "nginx"}}
		f.Door = &Door{DialError: "connection refused"}
	}},
	{"RC008", "auth has no container", func(_ *testing.T, f *Facts) { f.Services[1] = Service{Name: "auth"} }},
	{"RC008", "nginx is exited with status 1; it said: emerg", func(_ *testing.T, f *Facts) {
		f.Services[2].State, f.Services[2].ExitCode, f.Services[2].Said = "exited", 1, "emerg"
	}},
	{"RC008", "nginx is restarting", func(_ *testing.T, f *Facts) { f.Services[2].State = "restarting" }},
	{"RC009", "registry is unhealthy; it said: no space", func(_ *testing.T, f *Facts) { f.Services[0].Health, f.Services[0].Said = "unhealthy", "no space" }},
	{"RC010", "registry was restarted 7 times", func(_ *testing.T, f *Facts) { f.Services[0].Restarts = 7 }},
	{"RC011", "registry met the kernel's", func(_ *testing.T, f *Facts) { f.Services[0].OOM = true }},
	{"RC012", "50.0 MiB of 4.0 GiB", func(_ *testing.T, f *Facts) { f.Memory.Available = 50 << 20 }},
	{"RC020", "127.0.0.1:443: refused", func(_ *testing.T, f *Facts) { f.Door = &Door{Address: "127.0.0.1:443", DialError: "refused"} }},
	{"RC020", "no TLS", func(_ *testing.T, f *Facts) { f.Door = &Door{TLSError: "no TLS: first record"} }},
	{"RC021", "port 443 (https_port) is used by apache2 (pid 7)", func(_ *testing.T, f *Facts) {
		f.Ports[0] = Port{Number: 443, Key: "https_port", Taken: true, By: "apache2 (pid 7)"}
	}},
	{"RC022", "502", func(_ *testing.T, f *Facts) { f.Door.Status = 502 }},
	{"RC022", "not answered in time", func(_ *testing.T, f *Facts) { f.Door = &Door{Error: "i/o timeout", Hangs: true} }},
	{"RC022", "upload: 502", func(_ *testing.T, f *Facts) {
		f.Smoke = &Smoke{Step: "upload", Cause: "registry_unreachable", Error: "502"}
	}},
	{"RC023", "answers 200", func(_ *testing.T, f *Facts) { f.Door.Status, f.Door.Challenge = 200, "" }},
	{"RC024", `"bearer" instead of Basic`, func(_ *testing.T, f *Facts) { f.Door.Challenge = "bearer" }},
	{"RC024", "answers 404", func(_ *testing.T, f *Facts) { f.Door.Status = 404 }},
	{"RC024", "EOF", func(_ *testing.T, f *Facts) { f.Door.Status, f.Door.Error = 0, "EOF" }},
	{"RC025", "413", func(_ *testing.T, f *Facts) { f.Door.Body = 413 }},
	{"RC025", "reset by peer", func(_ *testing.T, f *Facts) { f.Door.Body, f.Door.BodyError = 0, "reset by peer" }},
	{"RC026", "has no Strict-Transport-Security", func(_ *testing.T, f *Facts) { f.Door.HSTS = 0 }},
	{"RC026", "2 hours only", func(_ *testing.T, f *Facts) { f.Door.HSTS = 2 * time.Hour }},
	{"RC027", "2 hours behind", func(_ *testing.T, f *Facts) { f.Door.Skew = -2 * time.Hour }},
	{"RC027", "5 minutes ahead", func(_ *testing.T, f *Facts) { f.Door.Skew = 5 * time.Minute }},
	{"RC028", "relative URLs are off", func(_ *testing.T, f *Facts) { f.Storage.RelativeURLs = false }},
	{"RC028", "plain http", func(_ *testing.T, f *Facts) {
		f.Smoke = &Smoke{Step: "upload", Cause: "location_plain_http", Error: "plain http"}
	}},
	{"RC029", "delete is off", func(_ *testing.T, f *Facts) { f.Storage.Delete = false }},
	{"RC029", "405", func(_ *testing.T, f *Facts) {
		f.Smoke = &Smoke{Step: "delete", Cause: "delete_disabled", Error: "405"}
	}},
	{"RC030", "proxy_read_timeout is 30s", func(_ *testing.T, f *Facts) { f.NginxAt.Timeouts["proxy_read_timeout"] = 30 * time.Second }},
	{"RC031", `"inmemory"`, func(_ *testing.T, f *Facts) { f.Storage.Cache = "inmemory" }},
	{"RC032", "push image: 500; usually: the disk", func(_ *testing.T, f *Facts) {
		f.Smoke = &Smoke{Step: "push image", Cause: "storage_fails", Error: "500", Meaning: "the disk"}
	}},
	{"RC033", "nginx.conf", func(_ *testing.T, f *Facts) { f.NginxAt.HTTP2 = true }},
	{"RC040", "registry.example.com: no such host", func(_ *testing.T, f *Facts) { f.Names = &Names{Error: "no such host"} }},
	{"RC041", "192.0.2.1 shows another certificate", func(_ *testing.T, f *Facts) { f.Names.Addresses[0].Leaf = "00" }},
	{"RC042", "192.0.2.1 (an address of this host): timeout", func(_ *testing.T, f *Facts) { f.Names.Addresses[0].Leaf, f.Names.Addresses[0].Error = "", "timeout" }},
	{"RC043", "port 80 answers 200", func(_ *testing.T, f *Facts) { f.Door80.Status = 200 }},
	{"RC043", "port 80: refused", func(_ *testing.T, f *Facts) { f.Door80 = &Plain{Error: "refused"} }},
	{"RC050", "no certificate yet", func(_ *testing.T, f *Facts) { f.Certificate = &Certificate{Error: "no certificate yet"} }},
	{"RC051", "ended on 2026-05-31", func(t *testing.T, f *Facts) { f.certified(t, now.Add(-90*day), now.Add(-day)) }},
	{"RC051", "begins on 2026-06-02", func(t *testing.T, f *Facts) { f.certified(t, now.Add(day), now.Add(90*day)) }},
	{"RC052", "ends in 10 days", func(t *testing.T, f *Facts) { f.certified(t, now.Add(-80*day), now.Add(10*day)) }},
	{"RC053", "on disk: serial", func(t *testing.T, f *Facts) {
		served := f.Door.Chain
		f.certified(t, now.Add(-day), now.Add(89*day))
		f.Door.Chain = served
		f.Certificate.Roots.AddCert(served[1])
	}},
	{"RC054", "not for mirror.example.com", func(_ *testing.T, f *Facts) { f.Certificate.Names = append(f.Certificate.Names, "mirror.example.com") }},
	{"RC055", `"CN=intermediate"`, func(t *testing.T, f *Facts) {
		root := newAuthority(t, "root", nil)
		leaf := newAuthority(t, "intermediate", root).leaf(now.Add(-30*day), now.Add(60*day), "registry.example.com")
		f.Certificate.Roots = x509.NewCertPool()
		f.Certificate.Roots.AddCert(root.cert)
		f.Certificate.Chain, f.Door.Chain = []*x509.Certificate{leaf}, []*x509.Certificate{leaf}
		f.Names = nil
	}},
	{"RC056", "neither systemd nor cron", func(_ *testing.T, f *Facts) { f.Schedule = &Schedule{Wanted: 1} }},
	{"RC056", "schedule.cert is off", func(_ *testing.T, f *Facts) { f.Schedule = &Schedule{} }},
	{"RC057", "the last attempt failed", func(_ *testing.T, f *Facts) { f.Certificate.Renewal = []string{"the last attempt failed"} }},
	{"RC060", "nginx is whatever", func(_ *testing.T, f *Facts) { f.Images[1].Ref = "nginx" }},
	{"RC060", "localhost:5000/team/nginx:latest is", func(_ *testing.T, f *Facts) { f.Images[1].Ref = "localhost:5000/team/nginx:latest" }},
	{"RC061", "docker.io/library/nginx:1.26.3-alpine is older", func(_ *testing.T, f *Facts) { f.Images[1].Ref = "docker.io/library/nginx:1.26.3-alpine" }},
	{"RC062", "is version 2.8.3", func(_ *testing.T, f *Facts) { f.Images[0].Ref, f.Images[0].Version = "example.com/registry:2", "2.8.3" }},
	{"RC063", "nginx does not run what", func(_ *testing.T, f *Facts) { f.Images[1].Same = false }},
	{"RC064", "is not here", func(_ *testing.T, f *Facts) { f.Images[1].Here = false }},
	{"RC070", "is missing", func(_ *testing.T, f *Facts) { f.Users = &Users{Missing: true} }},
	{"RC070", "denied", func(_ *testing.T, f *Facts) { f.Users = &Users{Error: "permission denied"} }},
	{"RC071", "line 3 of auth/htpasswd has no colon", func(_ *testing.T, f *Facts) { f.Users.Faults = []Fault{{3, "has no colon", true}} }},
	{"RC072", "line 3 of auth/htpasswd damaged", func(_ *testing.T, f *Facts) { f.Users.Faults = []Fault{{3, "damaged", false}} }},
	{"RC073", "user ann has a hash of type apr1", func(_ *testing.T, f *Facts) {
		f.Users.List[1] = User{Name: "ann", Line: 2, Scheme: "apr1"}
		f.Users.Faults = []Fault{{2, "has a hash of type apr1", false}} // one and the same
	}},
	{"RC073", "sha1", func(_ *testing.T, f *Facts) { f.Users.List[1].Scheme = "sha1" }},
	{"RC073", "crypt", func(_ *testing.T, f *Facts) { f.Users.List[1].Scheme = "crypt" }},
	{"RC073", "bcrypt of cost 8", func(_ *testing.T, f *Facts) { f.Users.List[1].Cost = 8 }},
	{"RC074", "no user", func(_ *testing.T, f *Facts) { f.Users.List = nil }},
	{"RC075", "user ci expired on 2026-05-31", func(_ *testing.T, f *Facts) { past := now.Add(-day); f.Users.List[0].Expires = &past }},
	{"RC076", "user ci is not in the access log, which begins on 2026-04-02", func(_ *testing.T, f *Facts) { delete(f.Users.Seen, "ci") }},
	{"RC077", "bob has rights", func(_ *testing.T, f *Facts) { f.Users.Strays = []string{"bob"} }},
	{"RC078", "line 1: not JSON", func(_ *testing.T, f *Facts) { f.Users.RightsError = "line 1: not JSON" }},
	{"RC080", "auth/htpasswd has mode 0644; it should have 0640", func(_ *testing.T, f *Facts) { f.Files[0].Mode = 0o644 }},
	{"RC081", "belongs to user 33, the deployment to user 0", func(_ *testing.T, f *Facts) { f.Files[0].UID = 33 }},
	{"RC082", "nginx.conf is edited", func(_ *testing.T, f *Facts) { f.Drift[0].State = "edited" }},
	{"RC082", "nginx.conf is foreign", func(_ *testing.T, f *Facts) { f.Drift[0].State = "foreign" }},
	{"RC083", "nginx.conf is missing", func(_ *testing.T, f *Facts) { f.Drift[0].State = "missing" }},
	{"RC083", "nginx.conf is current", func(_ *testing.T, f *Facts) { f.Drift[0].Mode = true }},
	{"RC084", "is not a regular file", func(_ *testing.T, f *Facts) { f.DriftError = "nginx.conf is not a regular file" }},
	{"RC085", "read-only file system", func(_ *testing.T, f *Facts) { f.ReadOnly = "/opt/registry: read-only file system" }},
	{"RC086", "auth/htpasswd permission denied", func(_ *testing.T, f *Facts) { f.Files[0] = File{Path: "auth/htpasswd", Error: "permission denied"} }},
	{"RC090", "has 1.0 GiB free of 100.0 GiB", func(_ *testing.T, f *Facts) { f.Disks[0].Free = 1 << 30 }},
	{"RC091", "has 8.0 GiB free of 100.0 GiB", func(_ *testing.T, f *Facts) { f.Disks[0].Free = 8 << 30 }},
	{"RC092", "is full in about 10 days", func(_ *testing.T, f *Facts) {
		f.Disks[0].Samples = []Sample{{now.Add(-2 * day), 60 << 30}, {now, 50 << 30}}
	}},
	{"RC093", "has 99 inodes left of 1000", func(_ *testing.T, f *Facts) { f.Disks[0].InodesFree = 99 }},
	{"RC094", "nginx logs to json-file without max-size", func(_ *testing.T, f *Facts) { f.Logs[0].Bounded = false }},
	{"RC095", "that of nginx has 2.0 GiB", func(_ *testing.T, f *Facts) { f.Logs[0].Size = 2 << 30 }},
	{"RC100", "not what regctl.yaml asks for", func(_ *testing.T, f *Facts) { f.Schedule.Current = false }},
	{"RC100", "the timer is off", func(_ *testing.T, f *Facts) { f.Schedule.Problems = []string{"the timer is off"} }},
	{"RC100", "runs twice", func(_ *testing.T, f *Facts) { f.Schedule.Twice = true }},
	{"RC101", "systemctl hangs", func(_ *testing.T, f *Facts) { f.Schedule = &Schedule{Error: "systemctl hangs"} }},
	{"RC102", "gc was last run 40 days ago", func(_ *testing.T, f *Facts) { past := now.Add(-40 * day); f.Runs[0].Last = &past }},
	{"RC102", "gc was never run here, and nothing runs it", func(_ *testing.T, f *Facts) { f.Runs[0].Last, f.Runs[0].Scheduled = nil, false }},
	{"RC103", "by regctl gc, 24 hours ago", func(_ *testing.T, f *Facts) { f.Runs[0].Damage = true }},
	{"RC104", "no drill of a backup has passed here", func(_ *testing.T, f *Facts) { f.Drill, f.Stack.Age = &Drill{Every: 100 * day}, 101*day }},
	{"RC104", "passed 101 days ago", func(_ *testing.T, f *Facts) { past := now.Add(-101 * day); f.Drill.LastPassed = &past }},
	{"RC105", "24 hours ago, of snapshot 20260101T000000Z-00000000: not enough room", func(_ *testing.T, f *Facts) { f.Drill.Passed, f.Drill.Error = false, "not enough room" }},
	{"RC105", "2 tags or manifests do not come whole: a:1: missing", func(_ *testing.T, f *Facts) {
		f.Drill.Passed, f.Drill.Failed, f.Drill.Problems, f.Drill.First = false, 2, 1, "a:1: missing"
	}},
	{"RC105", "3 blobs could not be restored", func(_ *testing.T, f *Facts) { f.Drill.Passed, f.Drill.Problems = false, 3 }},
	{"RC115", "volume registry_drill-x, made 3 hours ago", func(_ *testing.T, f *Facts) { f.DrillLeft = []Leftover{{"volume registry_drill-x", 3 * time.Hour}} }},
	{"RC110", "clever_name, made 3 hours ago", func(_ *testing.T, f *Facts) { f.Containers = []Leftover{{"clever_name", 3 * time.Hour}} }},
	{"RC111", "5 minutes ago", func(_ *testing.T, f *Facts) { age := 5 * time.Minute; f.HoldAge = &age }},
	{"RC112", "2 of them, auth/.x among them", func(_ *testing.T, f *Facts) { f.Temporary = []string{"auth/.x", "auth/.y"} }},
	{"RC113", `"regctl gc", pid 7, for 7 hours`, func(_ *testing.T, f *Facts) { f.Lock = &Lock{7, "regctl gc", 7 * time.Hour} }},
	{"RC114", ".regctl/stage is there", func(_ *testing.T, f *Facts) { f.Halfway = []string{".regctl/stage"} }},
}

// certified gives the deployment another certificate, on disk and served.
func (f *Facts) certified(t *testing.T, from, until time.Time) {
	ca := newAuthority(t, "root", nil)
	f.Certificate.Chain = []*x509.Certificate{ca.leaf(from, until, "registry.example.com"), ca.cert}
	f.Certificate.Roots = x509.NewCertPool()
	f.Certificate.Roots.AddCert(ca.cert)
	f.Door.Chain = f.Certificate.Chain
	f.Names = nil
}

// Each way to break a deployment gives its finding, and no other.
func TestEachFinding(t *testing.T) {
	for _, w := range ways {
		f := healthy(t)
		w.how(t, f)
		found := Examine(f)
		if len(found) != 1 || found[0].ID != w.id || !strings.Contains(found[0].Seen, w.seen) {
			t.Errorf("%s %q: found %+v", w.id, w.seen, found)
			continue
		}
		if strings.Contains(found[0].Mend, "{") || found[0].Mend == "" || found[0].Why == "" {
			t.Errorf("%s: %+v", w.id, found[0])
		}
	}
}

// Near what is reported, and well.
func TestNoFalseFinding(t *testing.T) {
	for name, how := range map[string]func(f *Facts){
		"six-day certificate":                 func(f *Facts) { f.certified(t, now.Add(-3*day), now.Add(3*day)) },
		"image by digest":                     func(f *Facts) { f.Images[1].Ref = "nginx@sha256:" + strings.Repeat("0", 64) },
		"port of a registry":                  func(f *Facts) { f.Images[1].Ref = "localhost:5000/nginx:1.0.0" },
		"restarts of long ago":                func(f *Facts) { f.Services[0].Restarts, f.Services[0].Started = 7, f.Now.Add(-2*day) },
		"floating tag":                        func(f *Facts) { f.Images[0].Ref = "registry:3" },
		"young log":                           func(f *Facts) { f.Users.Seen, f.Users.LogSince = map[string]time.Time{}, now.Add(-20*day) },
		"young deployment":                    func(f *Facts) { f.Runs[0].Last, f.Stack.Age = nil, 3*day },
		"a young deployment with a backup":    func(f *Facts) { f.Drill, f.Stack.Age = &Drill{Every: 100 * day}, 3*day },
		"a stop that is at work":              func(f *Facts) { f.Halfway, f.Lock = []string{".regctl/stage"}, &Lock{7, "regctl up", time.Minute} },
		"a hold in force":                     func(f *Facts) { age := 20 * time.Second; f.HoldAge = &age },
		"a chain to a root that is not known": func(f *Facts) { f.Certificate.Roots = x509.NewCertPool() },
		"a small disk":                        func(f *Facts) { f.Disks[0].Free, f.Disks[0].Total = 400<<20, 1<<30 },
		"journald":                            func(f *Facts) { f.Logs[0] = Log{Service: "nginx", Driver: "journald"} },
		"100 Continue":                        func(f *Facts) { f.Door.Body = 100 },
	} {
		f := healthy(t)
		how(f)
		if found := Examine(f); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A name is put into a command that is to be copied only if it is one.
func TestUserCommand(t *testing.T) {
	for name, want := range map[string]string{"ci-bot.2": "regctl user rm ci-bot.2{dir}", "a; reboot": "regctl user rm NAME{dir}", "-x": "regctl user rm NAME{dir}", "": "regctl user rm NAME{dir}"} {
		if got := userCommand("rm", name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// IDs are in order and unique, every check has a test, and what it says is whole.
func TestTable(t *testing.T) {
	before := ""
	form := regexp.MustCompile(`^RC\d{3}$`)
	for _, c := range Checks() {
		if !form.MatchString(c.ID) || c.ID <= before {
			t.Errorf("%s comes after %s", c.ID, before)
		}
		before = c.ID
		if !slices.ContainsFunc(ways, func(w broken) bool { return w.id == c.ID }) {
			t.Errorf("%s has no test", c.ID)
		}
		for _, text := range []string{c.Title, c.Why, c.Mend} {
			if text == "" || strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n") {
				t.Errorf("%s: %q", c.ID, text)
			}
		}
		if !slices.Contains([]Severity{Error, Warning, Note}, c.Severity) {
			t.Errorf("%s: severity %q", c.ID, c.Severity)
		}
	}
}

func TestErrorsComeFirst(t *testing.T) {
	f := healthy(t)
	f.Services[0].Restarts, f.Files[0].Mode, f.Users.Strays, f.Owner = 9, 0o666, []string{"x"}, "/other"
	var got []string
	for _, x := range Examine(f) {
		got = append(got, x.ID)
	}
	if want := []string{"RC006", "RC080", "RC010", "RC077"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What a strange program said cannot make lines, or speak to the terminal.
func TestSeenIsOneLine(t *testing.T) {
	f := healthy(t)
	f.Services[0].Health, f.Services[0].Said = "unhealthy", "a\nb\x1b[31mc\u009bd"
	if got := Examine(f)[0].Seen; got != "registry is unhealthy; it said: a b [31mc d" {
		t.Errorf("%q", got)
	}
}

// docs/doctor.md is generated from the table.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Markdown() {
		t.Error("docs/doctor.md is out of date: run make docs")
	}
	for _, c := range Checks() {
		if !strings.Contains(string(text), "| "+c.ID+" |") {
			t.Errorf("%s is not in it", c.ID)
		}
	}
}
