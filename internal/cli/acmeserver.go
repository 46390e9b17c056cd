package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

// wish is the certificate as regctl.yaml asks for it.
func (d *deployment) wish() renewal.Wish {
	server := d.cfg.ACMEServer()
	u, err := url.Parse(server)
	return renewal.Wish{Names: d.cfg.Names(), KeyType: acme.KeyTypeName(d.cfg.ACME.KeyType), Profile: d.cfg.ACMEProfile(), Server: server,
		Limits: err == nil && (u.Hostname() == "letsencrypt.org" || strings.HasSuffix(u.Hostname(), ".letsencrypt.org"))}
}

// issuer is the ACME server of regctl.yaml.
func (d *deployment) issuer(a *App) (*acme.Issuer, error) {
	c := d.cfg.ACME
	i := &acme.Issuer{
		Directory: d.cfg.ACMEServer(), Accounts: d.accounts(), Email: c.Email, AgreeTOS: c.AgreeTOS,
		Agent: "regctl/" + version().Version, Now: a.Now, Log: a.ui.Detail,
	}
	if c.CA != "" {
		roots, err := certs.Roots(d.abs(c.CA))
		if err != nil {
			return nil, advice.With(fmt.Errorf("acme.ca: %w", err), "name the PEM certificates of the ACME server's own CA")
		}
		i.Roots = roots
	}
	return i, nil
}

func (d *deployment) accounts() acme.Accounts {
	return acme.Accounts{Dir: d.Path(compose.PrivateDir + "/acme")}
}

// webroot is where answers to http-01 are served from.
func (d *deployment) webroot() *acme.Webroot { return &acme.Webroot{Dir: d.Path(compose.ACMEDir)} }

// answers completes an issuer with what ordering takes: how to answer challenges,
// and the external account where there is none of its own yet.
func (d *deployment) answers(a *App, i *acme.Issuer) error {
	c := d.cfg.ACME
	if c.Challenge == config.DNS01 {
		i.DNS = &acme.DNS{Provider: c.DNS.Provider, Resolvers: c.DNS.Resolvers, Wait: time.Duration(c.DNS.Wait)}
		if c.DNS.Credentials != "" {
			env, err := acme.ReadCredentials(d.abs(c.DNS.Credentials))
			if err != nil {
				return fmt.Errorf("acme.dns.credentials: %w", err)
			}
			i.DNS.Env = env
		}
	} else {
		i.Webroot = d.webroot()
	}
	if info, err := i.Accounts.Info(i.Directory); c.EAB.KeyID == "" || err == nil && info.URI != "" {
		return nil
	}
	key := a.Getenv("REGCTL_EAB_HMAC_KEY")
	if c.EAB.HMACFile != "" {
		var err error
		if key, err = acme.ReadSecret(d.abs(c.EAB.HMACFile)); err != nil {
			return fmt.Errorf("acme.eab.hmac_file: %w", err)
		}
	}
	if key == "" {
		return advice.With(errors.New("the HMAC key of the external account is not given"),
			"put it into a file of mode 0600 and name it in acme.eab.hmac_file, or into $REGCTL_EAB_HMAC_KEY")
	}
	i.Binding = &acme.ExternalAccount{KeyID: c.EAB.KeyID, HMAC: strings.TrimSpace(key)}
	return nil
}
