//go:build integration

package integration

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tinyDisk has the images on a disk of their own that is soon full.
const tinyDisk = `volumes:
  registry-data:
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=200m,nr_inodes=2000"}
`

// A healthy stack has no finding, also after a push; each way to break it gives
// its own, which is gone when the stack was mended as the finding says.
func TestDoctor(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := newPatient(t, options{})
	p.init(t)
	p.override(t, "")
	p.setConfig(t, "gc", "grace", "0s")
	p.setConfig(t, "gc", "untagged_older_than", "0s")
	p.must(t, "up")
	p.schedule(t)
	p.sees(t, round{}, "")
	p.sees(t, round{args: []string{"--smoke"}}, "")
	if r := p.must(t, "doctor"); !strings.HasPrefix(r.stdout, "all is well: none of ") {
		t.Errorf("%v", r)
	}
	for _, r := range slices.Concat(stackRounds(), hostRounds()) {
		// What comes after a round that failed would only fail with it.
		if !t.Run(r.name, func(t *testing.T) { p.treat(t, r) }) {
			return
		}
	}
}

// override writes what a person would add to the stack, besides the disk.
func (p *patient) override(t *testing.T, services string) {
	t.Helper()
	if services != "" {
		services = "services:\n" + services
	}
	p.write(t, "docker-compose.override.yml", services+tinyDisk)
}

func noOverride(t *testing.T, p *patient) { p.override(t, "") }

// edit is a harm: an edit of a file by hand.
func edit(file, old, new string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		t.Helper()
		p.replace(t, file, old, new)
	}
}

// editNginx is an edit of its configuration that Nginx loads.
func editNginx(old, new string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		t.Helper()
		p.replace(t, "nginx/nginx.conf", old, new)
		id := p.containerID(t, "nginx")
		before := nginxWorkers(t, id)
		tool(t, "docker", "kill", "--signal", "HUP", id)
		// It reads certificates too: what is done to them next must not be loaded.
		eventually(t, time.Minute, "Nginx has loaded the edit", func() bool {
			return slices.ContainsFunc(nginxWorkers(t, id), func(pid string) bool { return !slices.Contains(before, pid) })
		})
	}
}

// nginxWorkers are the PIDs of the workers in a container.
func nginxWorkers(t *testing.T, id string) (pids []string) {
	t.Helper()
	for line := range strings.Lines(tool(t, "docker", "top", id, "-eo", "pid,args")) {
		if fields := strings.Fields(line); strings.Contains(line, "worker process") {
			pids = append(pids, fields[0])
		}
	}
	return pids
}

func freed(_ *testing.T, p *patient) { p.free() }

// stackRounds are those of the stack itself, in this order.
func stackRounds() []round {
	const upForce = "regctl up --force"
	return []round{
		{name: "settings", args: []string{"--smoke"}, ills: []ailment{
			{id: "RC029", seen: "delete is off", mend: upForce, cure: noOverride, harm: func(t *testing.T, p *patient) {
				p.override(t, `  registry:
    environment: {REGISTRY_STORAGE_DELETE_ENABLED: "false", REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: inmemory}
`)
				p.must(t, "up")
			}},
			{id: "RC031", seen: `"inmemory"`, mend: upForce},
			{id: "RC028", seen: "relative URLs are off", mend: upForce, harm: edit("registry/config.yml", "relativeurls: true", "relativeurls: false")},
			{id: "RC025", seen: "413", mend: upForce, harm: edit("nginx/nginx.conf", "client_max_body_size 0;", "client_max_body_size 1m;")},
			{id: "RC026", seen: "no Strict-Transport-Security", mend: upForce, harm: edit("nginx/nginx.conf", "add_header Strict-Transport-Security", "#")},
			{id: "RC030", seen: "proxy_read_timeout is 30s", mend: upForce, harm: edit("nginx/nginx.conf", "proxy_read_timeout 900s;", "proxy_read_timeout 30s;")},
			{id: "RC033", seen: "nginx.conf", mend: upForce, harm: edit("nginx/nginx.conf", "listen 443 ssl ", "http2 on;\n        listen 443 ssl ")},
			{id: "RC027", seen: "2 hours behind this one", cure: freed, harm: wrongClock},
			{id: "RC032", seen: "login", cure: freed}, // the registry with that clock knows nobody
			{id: "RC082", seen: "nginx/nginx.conf is edited", mend: upForce},
			{id: "RC083", seen: "registry/auth.yml is missing", mend: "regctl up", harm: func(t *testing.T, p *patient) {
				removeFile(t, p.path("registry/auth.yml"))
			}},
		}},
		{name: "no password", ills: []ailment{
			{id: "RC023", seen: "answers 200", mend: upForce, harm: editNginx("location /v2/ {", "location /v2/ {\n            auth_request off;")},
			{id: "RC082", seen: "nginx/nginx.conf", mend: upForce},
			{id: "RC075", seen: "user gone expired on ", harm: expired, mend: "regctl user rm gone"},
			{id: "RC071", seen: "has no colon", harm: userLine("half"), cure: withoutLine("half")},
			{id: "RC072", seen: "line", harm: userLine("torn:$2y$05$torn"), mend: "regctl user passwd torn"},
			{id: "RC073", seen: "user old has a hash of type sha1", harm: userLine("old:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), mend: "regctl user passwd old"},
			{id: "RC076", seen: "user gone is not in the access log", harm: oldLog, mend: "regctl user rm gone"},
			{id: "RC077", seen: "ghost has rights", harm: edit("auth/rights.json", `"users": {`, `"users": {"ghost": {"pull": ["**"], "push": [], "delete": [], "admin": false},`), mend: "regctl user rm ghost"},
			{id: "RC052", seen: "ends in 5 days", harm: certifiedUntil(5 * 24 * time.Hour), mend: "regctl cert renew"},
			{id: "RC053", seen: "on disk: serial", mend: "regctl cert renew"},
			{id: "RC100", seen: "the crontab's block is not what would be installed", mend: "regctl schedule install", more: []string{"--force"}, harm: func(t *testing.T, p *patient) {
				tool(t, "sed", "-i", "s/cert renew/cert renew --verbose/", p.bin+"/table")
			}},
			{id: "RC102", seen: "gc was last run 40 days ago", mend: "regctl gc", harm: func(t *testing.T, p *patient) {
				p.write(t, ".regctl/last-gc.json", `{"at": "`+time.Now().Add(-40*24*time.Hour-time.Hour).Format(time.RFC3339)+`", "result": {}}`)
				chmod(t, p.path(".regctl/last-gc.json"), 0o600)
			}},
		}},
		{name: "another program in the place of Nginx", left: "RC074 RC077", ills: []ailment{
			{id: "RC008", seen: "nginx has no container", mend: "regctl up", harm: withoutNginx},
			{id: "RC021", seen: "(https_port) is used by ", harm: stranger, cure: freed},
			{id: "RC024", seen: "answers 404 instead of 401", cure: freed},
			{id: "RC026", seen: "no Strict-Transport-Security", cure: freed},
			{id: "RC053", seen: "on disk: serial", cure: freed},
			{id: "RC051", seen: "it ended on ", harm: certifiedUntil(-time.Hour), mend: "regctl cert renew"},
			{id: "RC070", seen: "auth/htpasswd is missing", mend: "regctl up", harm: func(t *testing.T, p *patient) { removeFile(t, p.path("auth/htpasswd")) }},
			{id: "RC078", seen: "auth/rights.json", harm: edit("auth/rights.json", "{", "{{"), cure: edit("auth/rights.json", "{{", "{")},
			{id: "RC084", seen: "nginx.conf", cure: putBack("nginx/nginx.conf"), harm: func(t *testing.T, p *patient) {
				rename(t, p.path("nginx/nginx.conf"), p.path("nginx/nginx.conf.away"))
				makeDir(t, p.path("nginx/nginx.conf"))
			}},
			{id: "RC114", seen: ".regctl/stage is there", mend: "regctl up", harm: func(t *testing.T, p *patient) { makeDir(t, p.path(".regctl/stage")) }},
		}},
		{name: "nobody can come in", ills: []ailment{
			{id: "RC074", seen: "no user", cure: func(t *testing.T, p *patient) { p.password = p.addUser(t, "admin").password }},
			{id: "RC077", seen: "admin has rights", cure: func(*testing.T, *patient) {}}, // mended with it
			{id: "RC022", seen: "GET /v2/ answers 503", mend: "regctl restart", harm: func(t *testing.T, p *patient) {
				tool(t, "docker", "stop", p.containerID(t, "registry"))
			}},
			{id: "RC008", seen: "registry is exited", mend: "regctl up"},
			{id: "RC080", seen: "private/ca-key.pem has mode 0644", mend: "regctl doctor --fix", harm: func(t *testing.T, p *patient) {
				chmod(t, p.path("private/ca-key.pem"), 0o644)
			}},
			{id: "RC081", seen: "auth/rights.json belongs to user 65534", mend: "regctl doctor --fix", harm: func(t *testing.T, p *patient) {
				if err := os.Chown(p.path("auth/rights.json"), 65534, 65534); err != nil {
					t.Fatal(err)
				}
			}},
			{id: "RC112", seen: "auth/.regctl-tmp-0123456789abcdef", mend: "regctl doctor --fix", harm: func(t *testing.T, p *patient) {
				p.write(t, "auth/.regctl-tmp-0123456789abcdef", "x")
				aged(t, p.path("auth/.regctl-tmp-0123456789abcdef"), 2*time.Hour)
			}},
			{id: "RC110", seen: "-left, made ", mend: "regctl doctor --fix", harm: func(t *testing.T, p *patient) {
				tool(t, "docker", "create", "--label", "io.regctl.once="+p.project, "--name", p.project+"-left", imageRegistry3)
			}},
		}},
		{name: "services and their room", ills: []ailment{
			{id: "RC103", seen: "by regctl gc", cure: pushedAgain, harm: func(t *testing.T, p *patient) {
				limits(t, p)
				damaged(t, p)
			}},
			{id: "RC009", seen: "auth is unhealthy", mend: "regctl restart", harm: func(t *testing.T, p *patient) { p.signal(t, "auth", syscall.SIGSTOP) }},
			{id: "RC022", seen: "not answered in time", mend: "regctl restart"},
			{id: "RC010", seen: "registry was restarted 3 times", mend: "regctl restart", harm: restarts},
			{id: "RC011", seen: "nginx met the kernel's", harm: outOfMemory, cure: noOverride, mend: "regctl up"},
			{id: "RC090", seen: "the disk of the images", mend: "regctl gc --delete-untagged", harm: fill(4 << 20)},
			{id: "RC090", seen: "free of 200.0 MiB", mend: "regctl gc purge --keep-trash 0s", more: []string{"--yes"}},
			{id: "RC093", seen: "inodes left of 2000", mend: "regctl gc purge --keep-trash 0s", more: []string{"--yes"}, harm: manyFiles},
			{id: "RC111", seen: "it was renewed 10 minutes ago", mend: "regctl gc", harm: func(t *testing.T, p *patient) {
				hold := p.volume(t, "registry-data") + "/.regctl/hold"
				writeFile(t, hold, "", 0o600)
				aged(t, hold, 10*time.Minute+time.Second)
			}},
			{id: "RC113", seen: `"regctl gc", pid 7, for 7 hours`, harm: locked, cure: freed},
		}},
		{name: "Nginx is gone", left: "RC007", ills: []ailment{
			{id: "RC008", seen: "nginx has no container", mend: "regctl up", harm: withoutNginx},
			{id: "RC020", seen: "connection refused", mend: "regctl up"},
			{id: "RC050", seen: "localhost", mend: "regctl up", harm: func(t *testing.T, p *patient) { rename(t, p.path("certs/live"), p.path("certs/away")) }},
			{id: "RC056", seen: "neither systemd nor cron", mend: "regctl schedule install", more: []string{"--force"}, harm: func(t *testing.T, p *patient) {
				p.must(t, "schedule", "remove", "--cron")
			}},
			{id: "RC095", seen: "that of auth has 1.1 GiB", mend: "regctl down", harm: largeLog},
		}},
		{name: "it is down", ills: []ailment{
			{id: "RC007", seen: "no service has a container", mend: "regctl up"}, // since the last round
			{id: "RC054", seen: "it is not for 127.0.0.2", mend: "regctl up", harm: func(t *testing.T, p *patient) {
				p.setConfig(t, "tls", "names", []string{"127.0.0.2"})
			}},
		}},
		{name: "backups", ills: []ailment{
			{id: "RC105", seen: "of snapshot ", harm: drillFails, cure: freed, mend: "regctl backup drill"},
			{id: "RC104", seen: "a drill passed ", mend: "regctl backup drill"},
			{id: "RC115", seen: "_drill-left, made ", mend: "regctl doctor --fix", harm: func(t *testing.T, p *patient) {
				tool(t, "docker", "volume", "create", "--label", "io.regctl.drill="+p.project, p.project+"_drill-left")
			}},
		}},
		{name: "a disk that fills", ills: []ailment{
			{id: "RC091", seen: "free of 200.0 MiB", harm: fill(15 << 20), cure: largerDisk},
			{id: "RC092", seen: "is full in about ", harm: filling, cure: largerDisk},
		}},
	}
}
