package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/regctl/regctl/pkg/users"
)

// baselines are the stacks to compare with, as they are written to disk. What
// they take from the run comes through the environment.
//
//go:embed recipe static
var baselines embed.FS

// startOurs makes the stack that is measured as a person would, with a first
// user whose password is hashed at [cost].
func (b *bench) startOurs(password string) (*stack, string, error) {
	s, err := b.newStack("regctl", "front")
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(b.dir, "front")
	init := []string{b.regctl, "init", dir, "--domain", "localhost", "--bind", "127.0.0.1", "--https-port", fmt.Sprint(s.port), "--project", s.project,
		"--registry-image", b.images.registry, "--nginx-image", b.images.nginx, "--user", user, "--password-stdin"}
	if _, err := b.with(nil, password, init...); err != nil {
		return nil, "", err
	}
	b.downLater(s.project, filepath.Join(dir, "docker-compose.yml"), nil)
	if err := appendTo(filepath.Join(dir, "regctl.yaml"), fmt.Sprintf("\nusers:\n  cost: %d\n", cost)); err != nil {
		return nil, "", err
	}
	if _, err := b.with(nil, password, b.regctl, "user", "passwd", user, "--password-stdin", "-C", dir); err != nil {
		return nil, "", err
	}
	_, err = b.once(b.regctl, "up", "-C", dir)
	return s, dir, err
}

// startRecipe starts the baseline, with our certificate and two users.
func (b *bench) startRecipe(ours, password string) (*stack, error) {
	s, err := b.newStack("the recipe", "recipe")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "recipe")
	var htpasswd strings.Builder
	for name, c := range map[string]int{user: cost, userCheap: costCheap} {
		hash, err := users.Hash([]byte(password), c)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&htpasswd, "%s:%s\n", name, hash)
	}
	files := map[string]string{"auth/htpasswd": htpasswd.String()}
	for _, name := range []string{"fullchain.pem", "privkey.pem"} {
		text, err := os.ReadFile(filepath.Join(ours, "certs", "live", "localhost", name))
		if err != nil {
			return nil, err
		}
		files["letsencrypt/live/registry.example.com/"+name] = string(text)
	}
	for from, to := range map[string]string{"recipe/docker-compose.yml": "docker-compose.yml", "recipe/registry.conf": "nginx/registry.conf"} {
		if files[to], err = baseline(from); err != nil {
			return nil, err
		}
	}
	return s, b.start(s, dir, files, nil)
}

var tlsLine = regexp.MustCompile(`(?m)^\s*ssl_.*;$`)

// startPlain starts Nginx alone on the volume of our stack, with the TLS
// settings of our stack's Nginx.
func (b *bench) startPlain(ours, project string) (*stack, error) {
	s, err := b.newStack("a plain file", "plain")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(ours, "nginx", "nginx.conf"))
	if err != nil {
		return nil, err
	}
	lines := tlsLine.FindAllString(string(text), -1)
	if len(lines) == 0 {
		return nil, fmt.Errorf("no TLS settings in nginx.conf")
	}
	files := map[string]string{"nginx/tls.conf": strings.Join(lines, "\n") + "\n"}
	for from, to := range map[string]string{"static/docker-compose.yml": "docker-compose.yml", "static/nginx.conf": "nginx/nginx.conf"} {
		if files[to], err = baseline(from); err != nil {
			return nil, err
		}
	}
	env := []string{"BENCH_CERTS=" + filepath.Join(ours, "certs"), "BENCH_VOLUME=" + project + "_registry-data"}
	return s, b.start(s, filepath.Join(b.dir, "plain"), files, env)
}

func (b *bench) newStack(name, suffix string) (*stack, error) {
	port, err := freePort()
	return &stack{bench: b, name: name, project: b.project + "-" + suffix, port: port}, err
}

func (b *bench) start(s *stack, dir string, files map[string]string, env []string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// Of no worth after the run; the directory around them is ours alone.
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	file := filepath.Join(dir, "docker-compose.yml")
	env = s.env(env)
	b.downLater(s.project, file, env)
	_, err := b.with(env, "", "docker", "compose", "-p", s.project, "-f", file, "up", "--detach")
	return err
}

// env is what a baseline's Compose file takes from the environment.
func (s *stack) env(more []string) []string {
	images := s.bench.images
	return append(more, "BENCH_REGISTRY_IMAGE="+images.registry, "BENCH_NGINX_IMAGE="+images.nginx, fmt.Sprintf("BENCH_PORT=%d", s.port))
}

func baseline(name string) (string, error) {
	text, err := baselines.ReadFile(name)
	return string(text), err
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
