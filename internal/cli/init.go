package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/users"
)

// errContradicts says that flags and an existing regctl.yaml do not agree.
var errContradicts = errors.New("differs from what is there")

type initOptions struct {
	domain, email, tls, acmeServer string
	acmeCA, challenge              string
	dnsProvider, dnsCredentials    string
	names                          []string
	agreeTOS                       bool
	cert, key                      string
	httpsPort, httpPort            int
	bind                           string
	project                        string
	registryImage, nginxImage      string
	user                           string
	passwordStdin                  bool
	force                          bool
	given                          func(flag string) bool
}

// initPaths ties each flag to the key in regctl.yaml that it sets.
var initPaths = map[string]string{
	"domain": "domain", "email": "acme.email", "tls": "tls.mode", "acme-server": "acme.server",
	"agree-tos": "acme.agree_tos", "acme-ca": "acme.ca", "acme-challenge": "acme.challenge", "name": "tls.names",
	"dns-provider": "acme.dns.provider", "dns-credentials": "acme.dns.credentials",
	"cert": "tls.cert", "key": "tls.key", "https-port": "https_port", "http-port": "http_port",
	"bind": "bind", "project": "project", "registry-image": "registry.image", "nginx-image": "nginx.image",
}

func newInitCommand(a *App) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init [DIR] --domain HOST",
		Short: "Write a deployment: regctl.yaml and all that is rendered from it",
		Long: `Write a deployment: regctl.yaml, docker-compose.yml, the configurations of Nginx
and the registry, certificates and a first user, whose password is shown once.

It overwrites nothing that it did not write, and takes back what it wrote when
it fails. Run again with the same answers it changes nothing.`,
		Example: `  regctl init /opt/registry --domain registry.example.com --tls files --cert fullchain.pem --key privkey.pem
  regctl init /opt/registry --domain registry.example.com --email admin@example.com --agree-tos
  regctl init ./reg --domain localhost --https-port 8443`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%s takes one directory, got %d arguments", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if a.dir != "" && a.dir != args[0] {
					return usagef("the directory is given twice: %s and --dir %s", args[0], a.dir)
				}
				a.dir = args[0]
			}
			o.given = cmd.Flags().Changed
			if !o.given("domain") {
				return advice.With(usagef("--domain is missing: the name under which clients reach the registry"),
					"regctl init %s --domain registry.example.com; to try it out: --domain localhost --https-port 8443", strings.Join(args, ""))
			}
			return a.runInit(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.domain, "domain", "", "host name or IP address that clients use")
	f.StringVar(&o.email, "email", "", "address the certificate authority may write to (letsencrypt)")
	f.StringVar(&o.tls, "tls", "", "letsencrypt, selfsigned or files (default: letsencrypt for a public name, else selfsigned)")
	f.StringVar(&o.acmeServer, "acme-server", "", "URL of an ACME directory other than Let's Encrypt's")
	f.StringVar(&o.acmeCA, "acme-ca", "", "PEM certificates that vouch for that ACME server, where the system's do not")
	f.BoolVar(&o.agreeTOS, "agree-tos", false, "you have read the certificate authority's terms of service and agree to them")
	f.StringVar(&o.challenge, "acme-challenge", config.HTTP01, "how to prove that the names are yours: http-01 (port 80) or dns-01")
	f.StringVar(&o.dnsProvider, "dns-provider", "", "with dns-01: "+strings.Join(acme.DNSProviders(), ", "))
	f.StringVar(&o.dnsCredentials, "dns-credentials", "", "with dns-01: file of lines NAME=VALUE that only its owner can read")
	f.StringArrayVar(&o.names, "name", nil, "a further host name or IP address that the certificate is to cover")
	f.StringVar(&o.cert, "cert", "", "certificate chain in PEM, with --tls files")
	f.StringVar(&o.key, "key", "", "private key in PEM, with --tls files")
	f.IntVar(&o.httpsPort, "https-port", 443, "port that clients push to and pull from")
	f.IntVar(&o.httpPort, "http-port", 0, "port for answers to ACME, 0 for none (default: 80 for http-01, else none)")
	f.StringVar(&o.bind, "bind", "", "publish the ports on this address of the host only")
	f.StringVar(&o.project, "project", "", "Compose project (default: the directory's name)")
	f.StringVar(&o.registryImage, "registry-image", "", "image of the registry")
	f.StringVar(&o.nginxImage, "nginx-image", "", "image of Nginx")
	f.StringVar(&o.user, "user", "admin", "name of the first user")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the first user's password from standard input instead of making one")
	f.BoolVar(&o.force, "force", false, "replace files that regctl did not write; each is kept beside as NAME.before-regctl")
	return c
}

// initResult is what init did.
type initResult struct {
	Dir      string   `json:"dir" doc:"deployment directory"`
	URL      string   `json:"url" doc:"front door"`
	Host     string   `json:"host" doc:"registry name in image references"`
	Project  string   `json:"project" doc:"Compose project"`
	TLS      string   `json:"tls" doc:"letsencrypt, selfsigned or files"`
	Changed  bool     `json:"changed" doc:"false: it was there already"`
	DryRun   bool     `json:"dry_run" doc:"nothing was done"`
	Files    []string `json:"files" doc:"written, or to be written; relative to dir"`
	Moved    []string `json:"moved" doc:"new names of files moved aside"`
	User     string   `json:"user,omitempty" doc:"the first user, when it was made now"`
	Password string   `json:"password,omitempty" doc:"its password, when it was generated: the one chance to see it"`

	terms string // what is left to be agreed to
}

func (r initResult) Text(w io.Writer) {
	switch {
	case r.DryRun:
		fmt.Fprintf(w, "would write to %s:\n", r.Dir)
		for _, name := range r.Moved {
			fmt.Fprintf(w, "  %s (moved aside)\n", name)
		}
		for _, name := range r.Files {
			fmt.Fprintf(w, "  %s\n", name)
		}
		return
	case !r.Changed:
		fmt.Fprintf(w, "%s is set up already for %s; nothing to change\n", r.Dir, r.URL)
	default:
		fmt.Fprintf(w, "wrote a registry for %s to %s\n", r.URL, r.Dir)
		if r.Password != "" {
			fmt.Fprintf(w, "\n  user      %s\n  password  %s   (shown once; regctl user passwd %s makes another)\n", r.User, r.Password, r.User)
		}
	}
	if r.terms != "" {
		fmt.Fprintf(w, "\n%s\n", r.terms)
	}
	fmt.Fprintf(w, "\nnext:\n  regctl up%s\n", dirFlag(r.Dir))
}

// dirFlag is what to add to a command so that it finds the deployment.
func dirFlag(dir string) string {
	if wd, err := os.Getwd(); dir == defaultDir || err == nil && wd == dir {
		return ""
	}
	return " -C " + shellWord(dir)
}

// shellWord quotes a word for a shell where it needs to be.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (a *App) runInit(ctx context.Context, o initOptions) error {
	l, err := a.layout()
	if err != nil {
		return err
	}
	cfg, err := o.config(filepath.Base(l.Dir))
	if err != nil {
		return err
	}
	if err := users.CheckName(o.user); err != nil {
		return usagef("--user: %w", err)
	}
	a.askTerms(cfg)
	s := &setup{app: a, layout: l, cfg: cfg, opts: o}
	res, err := s.run(ctx)
	if err != nil {
		return err
	}
	return a.ui.Result(res)
}

// config makes a configuration of the flags.
func (o initOptions) config(dirName string) (*config.Config, error) {
	project := o.project
	if project == "" {
		project = config.ProjectName(dirName)
	}
	c := config.New(project, strings.ToLower(o.domain), o.tls)
	if o.given("tls") {
		c.TLS.Mode = o.tls // also an empty one, which is then refused
	} else if o.cert != "" || o.key != "" {
		c.TLS.Mode = config.ModeFiles
	}
	c.HTTPSPort = o.httpsPort
	c.HTTPPort = config.DefaultHTTPPort(c.TLS.Mode, o.challenge)
	if o.given("http-port") {
		c.HTTPPort = o.httpPort
	}
	c.Bind = o.bind
	c.ACME.Email, c.ACME.Server, c.ACME.AgreeTOS = o.email, o.acmeServer, o.agreeTOS
	c.ACME.Challenge, c.ACME.DNS.Provider = o.challenge, o.dnsProvider
	c.TLS.Names = append(c.TLS.Names, o.names...)
	for _, path := range []*string{&o.cert, &o.key, &o.acmeCA, &o.dnsCredentials} {
		if *path == "" {
			continue
		}
		// Given relative to here, kept for later runs from anywhere.
		abs, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		*path = abs
	}
	c.TLS.Cert, c.TLS.Key = o.cert, o.key
	c.ACME.CA, c.ACME.DNS.Credentials = o.acmeCA, o.dnsCredentials
	if o.given("registry-image") {
		c.Registry.Image = o.registryImage
	}
	if o.given("nginx-image") {
		c.Nginx.Image = o.nginxImage
	}
	if faults := o.withoutDerived(c.Validate()); len(faults) > 0 {
		return nil, o.flagFaults(faults)
	}
	return c, nil
}

// withoutDerived drops what is said of values that were not given and follow
// from a domain that is at fault itself.
func (o initOptions) withoutDerived(faults []config.Fault) []config.Fault {
	if !slices.ContainsFunc(faults, func(f config.Fault) bool { return f.Path == "domain" }) {
		return faults
	}
	return slices.DeleteFunc(faults, func(f config.Fault) bool {
		return f.Path == "tls.mode" && !o.given("tls") || f.Path == "http_port" && !o.given("http-port")
	})
}

// flagFaults is a configuration error of flags: it names the flag rather than
// the key.
type flagFaults struct {
	faults []string
	config.Invalid
}

func (o initOptions) flagFaults(faults []config.Fault) error {
	e := &flagFaults{Invalid: config.Invalid{Faults: faults}}
	for _, f := range faults {
		name := f.Path
		for flag, path := range initPaths {
			if path == f.Path {
				name = "--" + flag
			}
		}
		e.faults = append(e.faults, name+": "+f.Message)
	}
	return e
}

func (e *flagFaults) Error() string {
	if len(e.faults) == 1 {
		return e.faults[0]
	}
	return fmt.Sprintf("%d faults in the flags", len(e.faults))
}

func (e *flagFaults) Unwrap() error { return &e.Invalid }

// Detail lists the faults when there are several.
func (e *flagFaults) Detail() string {
	if len(e.faults) == 1 {
		return ""
	}
	return strings.Join(e.faults, "\n")
}

// differences lists where an existing configuration contradicts the flags that
// were given. Flags left out contradict nothing.
func (o initOptions) differences(have, want *config.Config) []string {
	flags := map[string]string{}
	for flag, path := range initPaths {
		if o.given(flag) {
			flags[path] = flag
		}
	}
	var out []string
	for _, d := range config.Diff(have, want) {
		if flag, ok := flags[d.Path]; ok {
			out = append(out, fmt.Sprintf("%s is %q, --%s says %q", d.Path, d.A, flag, d.B))
		}
	}
	return out
}

// rivals are names that `docker compose` would read instead of ours.
var rivals = []string{"compose.yaml", "compose.yml", "docker-compose.yaml"}
