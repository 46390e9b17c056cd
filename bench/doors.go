package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The user of the load, and on the recipe's side a second one whose hash has the
// cost that `htpasswd -B` gives it.
const (
	user       = "bench"
	userCheap  = "cheap"
	cost       = 12
	costCheap  = 5
	repository = "bench/app"
)

// stack is a Compose project under load.
type stack struct {
	bench      *bench
	name       string // in error texts
	project    string
	port       int
	containers []container
	door       *door
	has        map[string]bool // digests that were pushed to it
}

// doors are the stacks that are compared.
type doors struct {
	ours, recipe, plain *stack
	cheap               *door  // the recipe's for userCheap
	dir                 string // the deployment directory of ours
}

// open starts the stacks, the first time.
func (b *bench) open() (*doors, error) {
	if b.doors != nil {
		return b.doors, nil
	}
	password := rand.Text()
	d := &doors{}
	var err error
	if d.ours, d.dir, err = b.startOurs(password); err != nil {
		return nil, err
	}
	if d.recipe, err = b.startRecipe(d.dir, password); err != nil {
		return nil, err
	}
	if d.plain, err = b.startPlain(d.dir, d.ours.project); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(d.dir + "/certs/ca.pem")
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in the local CA's file")
	}
	for _, s := range []*stack{d.ours, d.recipe, d.plain} {
		if err := s.enter(roots); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	nobody := *d.recipe.door
	d.cheap = nobody.as(userCheap, password)
	d.recipe.door, d.ours.door = nobody.as(user, password), d.ours.door.as(user, password)
	b.doors = d
	return d, nil
}

// enter finds the stack's containers and waits until its Nginx answers.
func (s *stack) enter(roots *x509.CertPool) error {
	var err error
	if s.containers, err = s.bench.engine.containers(s.project); err != nil {
		return err
	}
	s.has = map[string]bool{}
	s.door = &door{ctx: s.bench.ctx, host: fmt.Sprintf("localhost:%d", s.port),
		// Later connections resume the first: no handshake with a signature in a figure.
		tls: &tls.Config{RootCAs: roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}}
	published := fmt.Sprintf("127.0.0.1:%d", s.port)
	s.door.dial = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp4", published)
	}
	if entering() {
		nginx := s.service("nginx")
		s.door.dial = func(ctx context.Context) (net.Conn, error) { return dialInside(ctx, nginx.pid, "127.0.0.1:443") }
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err = s.answers(); err == nil || time.Now().After(deadline) || s.bench.ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *stack) answers() error {
	c, err := s.door.open()
	if err != nil {
		return err
	}
	defer c.close()
	got, said, err := c.try(http.MethodGet, "/v2/", nil, nil)
	if err == nil && got.status >= 500 {
		err = fmt.Errorf("status %d: %.200s", got.status, said)
	}
	return err
}

func (s *stack) service(name string) container {
	for _, c := range s.containers {
		if c.service == name {
			return c
		}
	}
	return container{}
}

// usage adds up what the containers of the stack have used.
func (s *stack) usage() (usage, error) {
	var sum usage
	for _, c := range s.containers {
		u, err := s.bench.engine.usage(c)
		if err != nil {
			return usage{}, err
		}
		sum.cpu += u.cpu
		sum.memory += u.memory
	}
	return sum, nil
}

// timed runs something under load and measures its time and CPU time.
func (s *stack) timed(run func() error) (sample, error) {
	before, err := s.usage()
	if err != nil {
		return sample{}, err
	}
	own, began := ownCPU(), time.Now()
	err = run()
	took := time.Since(began)
	own = ownCPU() - own
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := s.usage()
	return sample{took: took, server: after.cpu - before.cpu, own: own}, err
}

// hold pushes blobs to the stack that it has not got yet.
func (s *stack) hold(blobs ...*content) error {
	for _, blob := range blobs {
		if s.has[blob.digest()] {
			continue
		}
		c, err := s.door.open()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		err = c.push(repository, blob)
		c.close()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.has[blob.digest()] = true
	}
	return nil
}

// versions says which programs answered and over which way; nothing when no
// stack was started.
func (d *doors) versions() string {
	if d == nil {
		return ""
	}
	var said []string
	for _, argv := range [][]string{{d.ours.service("nginx").id, "nginx", "-v"}, {d.ours.service("registry").id, "registry", "--version"}} {
		if out, err := exec.Command("docker", append([]string{"exec"}, argv...)...).CombinedOutput(); err == nil {
			said = append(said, strings.TrimSpace(string(out)))
		}
	}
	way := "the published port"
	if entering() {
		way = "the loopback of Nginx's container"
	}
	return fmt.Sprintf(" (%s), load over %s", strings.Join(said, "; "), way)
}
