package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/regctl/regctl/internal/pebble"
)

// renewals is how often a certificate is renewed under load.
const renewals = 4

// renew renews the certificate of a stack under load, and stops and starts the
// recipe's Nginx as its certbot does. The time that certbot itself takes while
// Nginx is down is not in the recipe's figure.
func (b *bench) renew() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	dir, ours, err := b.startCertified()
	if err != nil {
		return nil, err
	}
	var took []sample
	outage, err := ours.watched(func() error {
		for range renewals {
			t, err := b.once(b.regctl, "cert", "renew", "--force", "-q", "-C", dir)
			if err != nil {
				return err
			}
			took = append(took, sample{took: t})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	compose := []string{"docker", "compose", "-p", d.recipe.project, "-f", filepath.Join(b.dir, "recipe", "docker-compose.yml")}
	env := d.recipe.env(nil)
	theirs, err := d.recipe.watched(func() error {
		for range renewals {
			for _, word := range []string{"stop", "start"} {
				if _, err := b.with(env, "", append(compose[:len(compose):len(compose)], word, "nginx")...); err != nil {
					return err
				}
			}
			if err := d.recipe.enter(d.recipe.door.tls.RootCAs); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []row{
		{what: fmt.Sprintf("failed requests during %d renewals of a certificate", renewals), figure: fmt.Sprintf("%d of %d", outage.failed, outage.asked),
			against: fmt.Sprintf("the recipe, which stops Nginx: %d of %d", theirs.failed, theirs.asked), must: bound{"0", outage.failed == 0}},
		{what: "longest time without an answer in one of them", figure: millis(outage.longest), against: "the recipe " + millis(theirs.longest), ratio: ratio(outage.longest, theirs.longest)},
		{what: "`regctl cert renew --force`, until the new certificate is served (the CA on the same machine)", figure: millis(median(took, func(s sample) time.Duration { return s.took }))},
	}, nil
}

// startCertified makes a stack of ours whose certificate comes from an ACME
// server in this process.
func (b *bench) startCertified() (string, *stack, error) {
	s, err := b.newStack("regctl", "certified")
	if err != nil {
		return "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	server, err := pebble.Start(b.dir, pebble.Options{HTTPPort: port})
	if err != nil {
		return "", nil, err
	}
	b.undo = append(b.undo, server.Close)
	dir := filepath.Join(b.dir, "certified")
	if _, err := b.once(b.regctl, "init", dir, "--domain", "localhost", "--bind", "127.0.0.1", "--https-port", fmt.Sprint(s.port), "--http-port", fmt.Sprint(port),
		"--project", s.project, "--registry-image", b.images.registry, "--nginx-image", b.images.nginx,
		"--tls", "letsencrypt", "--acme-server", server.URL, "--acme-ca", server.CAFile, "--agree-tos"); err != nil {
		return "", nil, err
	}
	b.downLater(s.project, filepath.Join(dir, "docker-compose.yml"), nil)
	if _, err := b.once(b.regctl, "up", "-C", dir); err != nil {
		return "", nil, err
	}
	root, err := server.Root()
	if err != nil {
		return "", nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return "", nil, errors.New("no certificate of the ACME server's CA")
	}
	return dir, s, s.enter(roots)
}

// outage is what clients saw while something happened.
type outage struct {
	asked, failed int
	longest       time.Duration // between two answers
}

// watched asks all the time, on a new connection for each request, while
// something happens.
func (s *stack) watched(happens func() error) (outage, error) {
	stop := make(chan struct{})
	var o outage
	var asking sync.WaitGroup
	asking.Go(func() {
		last := time.Now()
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			o.asked++
			if s.fresh() != nil {
				o.failed++
				continue
			}
			o.longest = max(o.longest, time.Since(last))
			last = time.Now()
		}
	})
	err := happens()
	close(stop)
	asking.Wait()
	return o, err
}

// fresh asks for /v2/ once, as somebody without a password.
func (s *stack) fresh() error {
	nobody := *s.door
	nobody.auth = ""
	nobody.tls = &tls.Config{RootCAs: s.door.tls.RootCAs, ServerName: s.door.tls.ServerName}
	c, err := nobody.open()
	if err != nil {
		return err
	}
	defer c.close()
	got, _, err := c.try(http.MethodGet, "/v2/", nil, nil)
	if err == nil && got.status != http.StatusUnauthorized {
		err = fmt.Errorf("status %d", got.status)
	}
	return err
}
