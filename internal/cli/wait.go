package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/frontdoor"
)

// errNotUp says that the stack was started but does not answer.
var errNotUp = errors.New("the registry does not answer")

const (
	knockEvery = 150 * time.Millisecond
	lookEvery  = time.Second
	// healAfter is how long Nginx may go on with its old certificate: the workers
	// that have the new one need a moment to start.
	healAfter = time.Second
	// crashes is how often a service may have been restarted before waiting on is
	// pointless, unless it has run since then for as long as settled: Docker then
	// takes it for well, but goes on counting.
	crashes = 3
	settled = 10 * time.Second
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

// wait knocks until the registry answers through the front door with the
// certificate that is on disk. When a service keeps crashing it gives up early;
// the error shows what the service said.
func (s *start) wait(ctx context.Context) error {
	door, err := s.d.door()
	if err != nil {
		return err
	}
	p := patience{start: s, began: time.Now(), looked: time.Now()}
	for {
		leaf, err := door.Knock(ctx)
		if err == nil {
			err = s.d.serves(leaf)
		}
		if err == nil {
			return nil
		}
		if err := p.lasts(ctx, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(knockEvery):
		}
	}
}

// patience decides after each failed knock whether to go on waiting.
type patience struct {
	*start
	began, looked time.Time
	told, healed  bool
}

// lasts returns an error when waiting on is pointless; because is why the last
// knock failed.
func (p *patience) lasts(ctx context.Context, because error) error {
	if ctx.Err() != nil {
		return p.explain(ctx, because)
	}
	waited := time.Since(p.began)
	if waited > p.opts.timeout {
		return p.explain(ctx, fmt.Errorf("%w at %s after %s: %w", errNotUp, p.d.cfg.URL(), waited.Round(time.Second), because))
	}
	// This run may have had no reason to reload: an earlier reload got lost.
	if !p.healed && otherCertificate(because) && waited > healAfter && p.want.Containers[compose.ServiceNginx] != "" {
		p.healed = true
		p.will("reload nginx, which served another certificate")
		if err := p.reload(ctx); err != nil {
			return err
		}
	}
	if !p.told && waited > 2*time.Second {
		p.app.ui.Step("waiting for %s to answer", p.d.cfg.URL())
		p.told = true
	}
	if time.Since(p.looked) < lookEvery {
		return nil
	}
	p.looked = time.Now()
	crashing, err := p.crashing(ctx)
	if err == nil && crashing != "" {
		err = p.explain(ctx, fmt.Errorf("%w: %s keeps ending", errNotUp, crashing))
	}
	return err
}

// otherCertificate tells whether a knock failed for the certificate served.
func otherCertificate(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.Is(err, errOtherCertificate) || errors.As(err, &refused)
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
		flapping := c.Restarts >= crashes && (!c.Running() || time.Since(c.Started) < settled)
		if flapping || c.State == "exited" || c.State == "dead" {
			return service, nil
		}
	}
	return "", nil
}
