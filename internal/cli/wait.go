package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/frontdoor"
)

// errNotUp says that the stack was started but does not answer.
var errNotUp = errors.New("the registry does not answer")

const (
	knockEvery = 150 * time.Millisecond
	lookEvery  = time.Second
	// crashes is how often a service may have been restarted before waiting on is
	// pointless.
	crashes = 3
)

// door is where the deployment's front door is reached from this host.
func (d *deployment) door() (frontdoor.Door, error) {
	door := frontdoor.Door{URL: d.cfg.URL(), DialAddr: d.dialAddr(), AnyCertificate: true}
	if d.cfg.TLS.Mode != config.ModeSelfSigned {
		// Whether clients trust the person's own certificate is not for this host
		// to say: it may be signed by a CA that only they know.
		return door, nil
	}
	roots, err := certs.Roots(d.localCA().CertPath())
	door.Roots, door.AnyCertificate = roots, false
	return door, err
}

// dialAddr is the published port on this host.
func (d *deployment) dialAddr() string {
	host := d.cfg.Bind
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(d.cfg.HTTPSPort))
}

// wait knocks until the registry answers through the front door. When a service
// keeps crashing it gives up early; the error shows what the service said.
func (s *start) wait(ctx context.Context) error {
	door, err := s.d.door()
	if err != nil {
		return err
	}
	began := time.Now()
	looked, told := began, false
	for {
		_, err := door.Knock(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return s.explain(ctx, err)
		}
		waited := time.Since(began)
		if waited > s.opts.timeout {
			return s.explain(ctx, fmt.Errorf("%w at %s after %s: %w", errNotUp, s.d.cfg.URL(), waited.Round(time.Second), err))
		}
		if !told && waited > 2*time.Second {
			s.app.ui.Step("waiting for %s to answer", s.d.cfg.URL())
			told = true
		}
		if time.Since(looked) > lookEvery {
			looked = time.Now()
			if crashing, err := s.crashing(ctx); err != nil {
				return err
			} else if crashing != "" {
				return s.explain(ctx, fmt.Errorf("%w: %s keeps ending", errNotUp, crashing))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(knockEvery):
		}
	}
}

// crashing names a service that will not come up by waiting, or "".
func (s *start) crashing(ctx context.Context) (string, error) {
	containers, err := s.engine.Containers(ctx, s.d.cfg.Project)
	if err != nil {
		return "", err
	}
	for _, service := range serviceOrder {
		c, ok := find(containers, service)
		if !ok {
			return service, nil
		}
		if c, err = s.engine.Inspect(ctx, c); err != nil {
			return "", err
		}
		if c.Restarts >= crashes || c.State == "exited" || c.State == "dead" {
			return service, nil
		}
	}
	return "", nil
}
