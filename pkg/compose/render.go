package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"text/template"
	"time"

	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/templates"
)

// Input is everything a rendering depends on.
type Input struct {
	Config *config.Config
	// HTTPSecret signs the state of unfinished uploads. It must stay the same
	// between renderings, or a restart breaks them.
	HTTPSecret string
	// CertName is the pair's directory under certs/live.
	CertName string
	// OwnerUID owns the deployment directory. The containers run as root without
	// capabilities; for files of another owner they need one to read them.
	OwnerUID int
}

// File is one rendered file.
type File struct {
	Path   string // relative to the deployment directory, with slashes
	Data   []byte
	Mode   fs.FileMode
	Secret bool // holds a secret: never shown whole
}

// data is what the templates see.
type data struct {
	*config.Config
	HTTPSecret        string
	ForeignOwner      bool
	RegistryConfigSum string
	AuthConfigSum     string
	HoldPath          string
	FailureFloor      int
	Immutable         []string
	ServerName        string
	CertName          string
	StopGrace         time.Duration
	DrainTimeout      time.Duration
}

var functions = template.FuncMap{
	// quote gives a JSON string, which YAML reads as the same string.
	"quote": func(s string) (string, error) {
		b, err := json.Marshal(s)
		return string(b), err
	},
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"duration": func(d time.Duration) string { return d.String() },
}

// Render renders the stack. The order of the files is that in which they are
// best written: the Compose file last, since it names the others.
func Render(in Input) ([]File, error) {
	c := in.Config
	grace := time.Duration(c.StopGrace)
	d := data{
		Config:       c,
		HTTPSecret:   in.HTTPSecret,
		ForeignOwner: in.OwnerUID != 0,
		HoldPath:     "/var/lib/registry/.regctl/hold", FailureFloor: failureFloor(c.Users.Cost), Immutable: []string{},
		ServerName:   nginxName(c.Domain),
		CertName:     in.CertName,
		StopGrace:    grace,
		DrainTimeout: drainTimeout(grace),
	}
	registry, err := execute(RegistryConf, d)
	if err != nil {
		return nil, err
	}
	auth, err := execute(AuthConf, d)
	if err != nil {
		return nil, err
	}
	d.RegistryConfigSum, d.AuthConfigSum = shortSum(registry), shortSum(auth)
	nginx, err := execute(NginxConf, d)
	if err != nil {
		return nil, err
	}
	settings, err := execute(SettingsFile, d)
	if err != nil {
		return nil, err
	}
	stack, err := execute(ComposeFile, d)
	if err != nil {
		return nil, err
	}
	files := []File{
		{Path: RegistryConf, Data: registry, Mode: 0o600, Secret: true},
		{Path: AuthConf, Data: auth, Mode: 0o600, Secret: true},
	}
	for _, name := range scripts {
		text, err := fs.ReadFile(templates.Stack(), name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: name, Data: text, Mode: 0o644})
	}
	return append(files, []File{
		{Path: SettingsFile, Data: settings, Mode: 0o644},
		{Path: NginxConf, Data: nginx, Mode: 0o644},
		{Path: ComposeFile, Data: stack, Mode: 0o644},
	}...), nil
}

func execute(name string, d data) ([]byte, error) {
	text, err := fs.ReadFile(templates.Stack(), name+".tmpl")
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Funcs(functions).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// drainTimeout leaves the registry time to close down after the last upload,
// before Docker kills it at the end of the grace.
func drainTimeout(grace time.Duration) time.Duration {
	return grace - min(10*time.Second, grace/4)
}

// nginxName writes a domain as server_name takes it: an IPv6 address in
// brackets.
func nginxName(domain string) string {
	if strings.Contains(domain, ":") {
		return "[" + domain + "]"
	}
	return domain
}

// scripts are the front door's modules, the same in every deployment.
var scripts = []string{"nginx/js/front.js", "nginx/js/memory.js", "nginx/js/path.js", "nginx/js/rights.js"}

// failureFloor is the time in ms that a refused password takes at least, well
// over that of a check at the given bcrypt cost: 1 s up to cost 12 (0.25 s on
// the machine measured), twice as much with each step above.
func failureFloor(cost int) int { return 1000 << max(0, cost-12) }

func shortSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}
