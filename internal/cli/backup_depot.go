package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/config"
)

// depot is where backups are, and what it takes to get at them.
type depot struct {
	dest       string
	access     backup.Access
	recipients []string
	identity   []byte
}

// depot finds out where backups are: from flags, else from the deployment, which
// is nil where there is none.
func (a *App) depot(d *deployment, f storeFlags) (p depot, err error) {
	var c config.Backup
	dir := ""
	if d != nil {
		c, dir = d.cfg.Backup, d.Dir
	}
	p.dest = f.dest
	if p.dest == "" {
		p.dest = c.Target
	}
	if p.dest == "" {
		return p, usagef("no place for backups is named: --to or --from, or backup.target in regctl.yaml")
	}
	if backup.IsDirectory(p.dest) {
		if p.dest, err = filepath.Abs(p.dest); err != nil {
			return p, err
		}
	} else if p.access, err = a.s3Access(c, dir); err != nil {
		return p, err
	}
	p.recipients = c.Recipients
	path := f.identity
	if path == "" && c.Identity != "" {
		path = below(dir, c.Identity)
	}
	if path != "" {
		p.identity, err = readSecret(path)
		// A backup needs none, and the file may well be elsewhere.
		if f.identity == "" && errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	return p, err
}

// insideStore is where a directory with backups is mounted in a container.
const insideStore = "/backup"

// mostIdentity is larger than any identity file.
const mostIdentity = 1 << 20

// below is a path of regctl.yaml: a relative one starts in the deployment.
func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readSecret reads a file that others must not be able to read.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others than its owner; chmod 600 %s", path, shellWord(path))
	}
	return io.ReadAll(io.LimitReader(f, mostIdentity))
}

// s3Access reads the credentials of object storage, from the file that regctl.yaml
// names, else from the environment, by the names that other tools use.
func (a *App) s3Access(c config.Backup, dir string) (backup.Access, error) {
	get := a.Getenv
	if c.Credentials != "" {
		values, err := acme.ReadCredentials(below(dir, c.Credentials))
		if err != nil {
			return backup.Access{}, err
		}
		get = func(name string) string { return values[name] }
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	access := backup.Access{
		AccessKey: get("AWS_ACCESS_KEY_ID"), SecretKey: get("AWS_SECRET_ACCESS_KEY"), SessionToken: get("AWS_SESSION_TOKEN"),
		Endpoint: first(c.Endpoint, get("AWS_ENDPOINT_URL_S3"), get("AWS_ENDPOINT_URL")),
		Region:   first(c.Region, get("AWS_REGION"), get("AWS_DEFAULT_REGION")),
	}
	if path := c.CA; path != "" {
		var err error
		if access.CA, err = os.ReadFile(below(dir, path)); err != nil {
			return access, fmt.Errorf("backup.ca: %w", err)
		}
	} else if path := get("AWS_CA_BUNDLE"); path != "" {
		var err error
		if access.CA, err = os.ReadFile(path); err != nil {
			return access, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
	}
	return access, nil
}

// onHost opens the store that a job is to work on, for as long as it takes to
// remove the locks of processes that are gone: inside a container nobody can tell.
// expected says that there were backups. What else is wrong with the place the job
// tells.
func (p depot) onHost(ctx context.Context, expected bool) error {
	t, err := backup.OpenTarget(p.dest, p.access, false)
	var s *backup.Store
	if err == nil {
		defer t.Close()
		s, err = backup.Open(ctx, t, backup.Keys{})
	}
	switch {
	case expected && errors.Is(err, backup.ErrNoStore):
		return advice.With(fmt.Errorf("the last backup went to %s, and now there is none", p.dest),
			"is the disk mounted? --new begins anew")
	case errors.Is(err, backup.ErrUnreachable), errors.Is(err, backup.ErrAccess):
		return err
	case err == nil:
		_ = s.DropDead(ctx) // a lock that stays is met by the job
	}
	return nil
}

// on gives a job on a stack what it needs to reach the place, and says where it
// finds that. A directory is mounted, with rights to write there as its owner
// could; object storage takes the network.
func (p depot) on(at site) (depot, site) {
	if at.root != "" {
		return p, at
	}
	at.capAdd = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"}
	if backup.IsDirectory(p.dest) {
		at.shares = map[string]string{p.dest: insideStore}
		p.dest = insideStore
	} else {
		at.network = true
		p.access.Proxy = proxyFor(p.access.Endpoint)
	}
	return p, at
}

// proxyFor is the proxy of this process's environment, which a container does not
// have; empty for none.
func proxyFor(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		u = &url.URL{Scheme: "https", Host: "s3.amazonaws.com"}
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.String()
}

// storeRequest is what every job on backups is told.
type storeRequest struct {
	Dest       string        `json:"dest"`
	Name       string        `json:"name"` // what the user calls it
	Access     backup.Access `json:"access"`
	Recipients []string      `json:"recipients,omitempty"`
	Identity   []byte        `json:"identity,omitempty"`
	Command    string        `json:"command"`
	Host       string        `json:"host"` // this one: inside a container nobody knows its name
}

func (p depot) request(name, command string) storeRequest {
	host, _ := os.Hostname() // without it the container's own is told
	return storeRequest{p.dest, name, p.access, p.recipients, p.identity, "regctl " + command, host}
}

func (r storeRequest) target(create bool) (backup.Target, backup.Keys, error) {
	keys, err := backup.NewKeys(r.Recipients, r.Identity)
	if err != nil {
		return nil, keys, err
	}
	t, err := backup.OpenTarget(r.Dest, r.Access, create)
	if d, ok := t.(*backup.Dir); ok {
		d.Call(r.Name)
	}
	return t, keys, err
}
