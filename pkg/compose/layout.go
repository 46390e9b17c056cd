// Package compose turns regctl.yaml into a stack and runs it: it renders the
// Compose file and what its services read, tells which rendered files were
// edited by hand, validates the result with compose-go, and calls Docker
// Compose.
//
// Rendering is pure: the same configuration, secret and owner give the same
// bytes. The package never prints.
package compose

import "path/filepath"

// Names of what lies in a deployment directory, relative to it.
const (
	ConfigFile   = "regctl.yaml"
	ComposeFile  = "docker-compose.yml"
	OverrideFile = "docker-compose.override.yml" // the person's own, read by Compose
	NginxConf    = "nginx/nginx.conf"
	ScriptsDir   = "nginx/js"            // the front door's scripts
	SettingsFile = "nginx/settings.json" // what the front door's scripts go by
	RegistryConf = "registry/config.yml"
	AuthConf     = "registry/auth.yml"
	RightsFile   = "auth/rights.json"
	UserFile     = "auth/htpasswd"
	CertsDir     = "certs"   // mounted into Nginx
	PrivateDir   = "private" // mounted nowhere: CA key, secrets
	SecretFile   = "private/http-secret"
	ACMEDir      = "acme" // answers to http-01, served on port 80
	StateDir     = ".regctl"
)

// Names of the services, as `docker compose` and `regctl logs` know them.
const (
	ServiceRegistry = "registry"
	ServiceAuth     = "auth"
	ServiceNginx    = "nginx"
)

// Layout is a deployment directory.
type Layout struct{ Dir string } // absolute

// Path gives the absolute path of a name relative to the directory.
func (l Layout) Path(name string) string { return filepath.Join(l.Dir, filepath.FromSlash(name)) }

// LockPath is the lock that everything which changes a deployment takes.
func (l Layout) LockPath() string { return l.Path(StateDir + "/lock") }

// UserLockPath is the lock of the user file alone, so that adding a user never
// waits for a long garbage collection or a start.
func (l Layout) UserLockPath() string { return l.Path(StateDir + "/users.lock") }

func (l Layout) recordPath() string { return l.Path(StateDir + "/rendered.json") }
