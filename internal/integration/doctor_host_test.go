//go:build integration

package integration

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// hostRounds are about what is around a stack that is well: the engine, the disk
// of the directory, who asks.
func hostRounds() []round {
	return []round{
		{name: "no engine", ills: []ailment{
			{id: "RC003", seen: "there is no socket at /nonexistent/docker.sock", harm: withEnv("DOCKER_HOST=unix:///nonexistent/docker.sock"), cure: freed},
			{id: "RC100", seen: "the crontab's block is not what would be installed", cure: freed}, // it was installed for another engine
		}},
		{name: "an engine that hangs", ills: []ailment{
			{id: "RC003", seen: "docker engine not available: it does not answer within", cure: freed, harm: func(t *testing.T, p *patient) {
				withEnv("DOCKER_HOST=unix://"+hangingEngine(t, true))(t, p)
			}},
			{id: "RC100", seen: "the crontab's block is not what would be installed", cure: freed},
		}},
		{name: "an old engine, no Compose, no crontab", ills: []ailment{
			{id: "RC004", seen: "speaks API version 1.40", cure: freed, harm: func(t *testing.T, p *patient) {
				bin := t.TempDir()
				writeFile(t, filepath.Join(bin, "docker"), "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n", 0o755)
				writeFile(t, filepath.Join(bin, "crontab"), "#!/bin/sh\necho 'cannot open your crontab' >&2\nexit 1\n", 0o755)
				withEnv("DOCKER_HOST=unix://"+oldEngine(t), "PATH="+bin)(t, p)
			}},
			{id: "RC094", seen: "auth logs to json-file without max-size", cure: freed},
			{id: "RC005", seen: "docker compose (version 2 or later) is missing", cure: freed},
			{id: "RC101", seen: "cannot open your crontab", cure: freed},
		}},
		{name: "little memory, and a directory that cannot be written", ills: []ailment{
			{id: "RC012", seen: "39.1 MiB of 3.8 GiB is available", cure: unmounted, harm: func(t *testing.T, p *patient) {
				file := filepath.Join(t.TempDir(), "meminfo")
				writeFile(t, file, "MemTotal: 4000000 kB\nMemFree: 10000 kB\nMemAvailable: 40000 kB\n", 0o644)
				p.mounts = `mount --bind ` + file + ` /proc/meminfo && mount --bind "$REGCTL_DIR" "$REGCTL_DIR" && mount -o remount,bind,ro "$REGCTL_DIR"`
			}},
			{id: "RC085", seen: "read-only file system", cure: unmounted},
		}},
		{name: "somebody else", ills: []ailment{
			{id: "RC085", seen: "permission denied", cure: asRoot, harm: func(t *testing.T, p *patient) {
				chmod(t, filepath.Dir(filepath.Dir(p.dir)), 0o755) // the way to it
				p.someone = 65534
			}},
			{id: "RC003", seen: "no permission to use", cure: asRoot},
			{id: "RC070", seen: "auth/htpasswd: permission denied", cure: asRoot},
			{id: "RC084", seen: "permission denied", cure: asRoot},
			{id: "RC086", seen: "private open ", cure: asRoot},
			{id: "RC100", seen: "the crontab's block is not what would be installed", cure: asRoot}, // by a regctl in another place
		}},
		{name: "a copy of the deployment", ills: []ailment{
			{id: "RC006", seen: "belong to ", cure: freed, harm: func(t *testing.T, p *patient) {
				at := p.dir
				p.dir = p.copy(t)
				p.free = func() { p.dir = at }
			}},
			{id: "RC007", seen: "no service has a container", cure: freed},
			{id: "RC021", seen: "(https_port) is used by", cure: freed},
			{id: "RC100", seen: "the crontab's block is not what would be installed", cure: freed},
		}},
	}
}

func withEnv(env ...string) func(*testing.T, *patient) {
	return func(_ *testing.T, p *patient) {
		before := p.env
		p.env = append(before[:len(before):len(before)], env...)
		p.free = func() { p.env = before }
	}
}

func unmounted(_ *testing.T, p *patient) { p.mounts = "" }
func asRoot(_ *testing.T, p *patient)    { p.someone = 0 }

// oldEngine is the engine, but for the version that it says it speaks, and as one
// that has no log options of its own: this machine's gives every container some.
func oldEngine(t *testing.T) string {
	t.Helper()
	at, ok := strings.CutPrefix(envOr("DOCKER_HOST", "unix:///var/run/docker.sock"), "unix://")
	if !ok {
		t.Fatal("the engine has no socket on this host")
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", at)
	}}
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Api-Version", "1.40")
		if !strings.Contains(r.Request.URL.Path, "/containers/") || !strings.HasSuffix(r.Request.URL.Path, "/json") {
			return nil
		}
		data, err := io.ReadAll(r.Body)
		data = bytes.ReplaceAll(data, []byte(`"max-size":`), []byte(`"none":`))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		r.Header.Set("Content-Length", strconv.Itoa(len(data)))
		return err
	}
	socket := filepath.Join(t.TempDir(), "old.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return socket
}
