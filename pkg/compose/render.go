package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/hold"
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
	Stamp             string
	AuthConfigSum     string
	HoldPath          string // inside Nginx's container
	HoldAge           int64  // ms
	ClosingPath       string // inside Nginx's container
	ClosingAge        int64  // ms
	FailureFloor      int
	ServerName        string
	CertName          string
	StopGrace         time.Duration
	DrainTimeout      time.Duration
}

var functions = template.FuncMap{
	// quote gives a Go string in ASCII alone: its escapes are all YAML's too. A
	// JSON string would not do: it holds U+0085 as it is, which YAML 1.1 takes for
	// the end of a line.
	"quote": strconv.QuoteToASCII,
	// json is for JSON files.
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"duration": func(d time.Duration) string { return d.String() },
}

// Render renders the stack. The order of the files is that in which they are
// best written: the Compose file last, since it names the others.
func Render(in Input) ([]File, error) {
	d := newData(in)
	var files []File
	var err error
	add := func(name string, mode fs.FileMode) []byte {
		if err != nil {
			return nil
		}
		var text []byte
		text, err = execute(name, d)
		files = append(files, File{Path: name, Data: text, Mode: mode, Secret: mode == 0o600})
		return text
	}
	d.RegistryConfigSum = shortSum(add(RegistryConf, 0o600))
	d.AuthConfigSum = shortSum(add(AuthConf, 0o600))
	var loaded [][]byte
	for _, name := range scripts {
		loaded = append(loaded, add(name, 0o644))
	}
	loaded = append(loaded, add(SettingsFile, 0o644))
	if err != nil {
		return nil, err
	}
	// What Nginx has loaded shows by this sum, which it answers with: a reload
	// takes a moment, and can fail.
	unstamped, err := execute(NginxConf, d)
	if err != nil {
		return nil, err
	}
	d.Stamp = shortSum(append(loaded, unstamped)...)
	add(NginxConf, 0o644)
	add(ComposeFile, 0o644)
	return files, err
}

// ClosingPath is a file inside Nginx's container: while it is there and younger
// than closingAge, answers end their connections (js/closing.js). On a tmpfs: it
// is gone when the container starts again.
const (
	ClosingPath = "/run/closing"
	closingAge  = 30 * time.Second
)

var stampForm = regexp.MustCompile(`(?m)^\s*return 200 "([0-9a-f]{32}) \$pid"; # stamp$`)

// Stamp is the sum by which Nginx answers once it has loaded these files.
func Stamp(files []File) string {
	for _, f := range files {
		if m := stampForm.FindSubmatch(f.Data); f.Path == NginxConf && m != nil {
			return string(m[1])
		}
	}
	return ""
}

func newData(in Input) data {
	c := in.Config
	grace := time.Duration(c.StopGrace)
	return data{
		Config:       c,
		HTTPSecret:   in.HTTPSecret,
		ForeignOwner: in.OwnerUID != 0,
		HoldPath:     path.Join("/var/lib/registry", hold.Path),
		HoldAge:      hold.MaxAge.Milliseconds(),
		ClosingPath:  ClosingPath,
		ClosingAge:   closingAge.Milliseconds(),
		FailureFloor: failureFloor(c.Users.Cost),
		ServerName:   nginxName(c.Domain),
		CertName:     in.CertName,
		StopGrace:    grace,
		DrainTimeout: drainTimeout(grace),
	}
}

func execute(name string, d data) ([]byte, error) {
	stack := templates.Stack()
	if text, err := fs.ReadFile(stack, name); err == nil {
		return text, nil // the same in every deployment
	}
	text, err := fs.ReadFile(stack, name+".tmpl")
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

// Paths lists the rendered files in the order of Render.
func Paths() []string {
	paths := append([]string{RegistryConf, AuthConf}, scripts...)
	return append(paths, SettingsFile, NginxConf, ComposeFile)
}

// scripts are the front door's modules, the same in every deployment.
var scripts = []string{"nginx/js/closing.js", "nginx/js/front.js", "nginx/js/memory.js", "nginx/js/path.js", "nginx/js/rights.js"}

// failureFloor is the time in ms that a refused password takes at least, well
// over that of a check at the given bcrypt cost: 1 s up to cost 12 (0.25 s on
// the machine measured), twice as much with each step above.
func failureFloor(cost int) int { return 1000 << max(0, cost-12) }

func shortSum(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
