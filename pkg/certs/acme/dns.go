package acme

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/providers/dns/acmedns"
	"github.com/go-acme/lego/v4/providers/dns/cloudflare"
	"github.com/go-acme/lego/v4/providers/dns/desec"
	"github.com/go-acme/lego/v4/providers/dns/digitalocean"
	"github.com/go-acme/lego/v4/providers/dns/duckdns"
	"github.com/go-acme/lego/v4/providers/dns/exec"
	"github.com/go-acme/lego/v4/providers/dns/gandiv5"
	"github.com/go-acme/lego/v4/providers/dns/hetzner"
	"github.com/go-acme/lego/v4/providers/dns/httpreq"
	"github.com/go-acme/lego/v4/providers/dns/porkbun"
)

// DNS answers dns-01 through a provider's API.
type DNS struct {
	Provider  string            // one of DNSProviders
	Env       map[string]string // the provider's variables, over those of the process
	Resolvers []string          // host:port to ask whether the record is out; empty: those of the system
	Wait      time.Duration     // wait so long instead of asking; 0: ask
}

// provider puts a record into DNS and takes it away; it is lego's
// challenge.Provider.
type provider interface {
	Present(domain, token, keyAuth string) error
	CleanUp(domain, token, keyAuth string) error
}

// providers are the ones built in. All of lego's would be 61 MB and 204 modules;
// exec and httpreq reach the rest.
func providers() map[string]func() (provider, error) {
	return map[string]func() (provider, error){
		"acmedns":      func() (provider, error) { return acmedns.NewDNSProvider() },
		"cloudflare":   func() (provider, error) { return cloudflare.NewDNSProvider() },
		"desec":        func() (provider, error) { return desec.NewDNSProvider() },
		"digitalocean": func() (provider, error) { return digitalocean.NewDNSProvider() },
		"duckdns":      func() (provider, error) { return duckdns.NewDNSProvider() },
		"exec":         func() (provider, error) { return exec.NewDNSProvider() },
		"gandiv5":      func() (provider, error) { return gandiv5.NewDNSProvider() },
		"hetzner":      func() (provider, error) { return hetzner.NewDNSProvider() },
		"httpreq":      func() (provider, error) { return httpreq.NewDNSProvider() },
		"porkbun":      func() (provider, error) { return porkbun.NewDNSProvider() },
	}
}

// DNSProviders lists the names that DNS.Provider can have, sorted.
func DNSProviders() []string { return slices.Sorted(maps.Keys(providers())) }

// open makes the provider. It reads its credentials from the environment alone,
// so they are there until done is called: exec hands them to its program.
func (d DNS) open() (p provider, done func(), err error) {
	create, ok := providers()[d.Provider]
	if !ok {
		return nil, nil, fmt.Errorf("there is no DNS provider %q: it has to be one of %s", d.Provider, strings.Join(DNSProviders(), ", "))
	}
	done, err = lend(d.Env)
	if err != nil {
		return nil, nil, err
	}
	if p, err = create(); err != nil {
		done()
		// The providers' errors name variables, not values.
		return nil, nil, errors.New(oneLine(err.Error()))
	}
	return p, done, nil
}

// lend puts variables into the process's environment until back is called.
func lend(env map[string]string) (back func(), err error) {
	type old struct {
		value string
		was   bool
	}
	before := map[string]old{}
	back = func() {
		for name, o := range before {
			if o.was {
				os.Setenv(name, o.value)
			} else {
				os.Unsetenv(name)
			}
		}
	}
	for name, value := range env {
		v, was := os.LookupEnv(name)
		before[name] = old{v, was}
		if err := os.Setenv(name, value); err != nil {
			back()
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return back, nil
}
