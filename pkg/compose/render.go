package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
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
	UpstreamResolve   bool
	ServerName        string
	CertName          string
	StopGrace         time.Duration
	DrainTimeout      time.Duration
}

var functions = template.FuncMap{
	// quote gives a Go string in ASCII alone: its escapes are all YAML's too. A
	// JSON string would not do: it holds U+0085 as it is, which YAML 1.1 takes for
	// the end of a line.
	"quote":    strconv.QuoteToASCII,
	"duration": func(d time.Duration) string { return d.String() },
}

// Render renders the stack. The order of the files is that in which they are
// best written: the Compose file last, since it names the others.
func Render(in Input) ([]File, error) {
	c := in.Config
	grace := time.Duration(c.StopGrace)
	d := data{
		Config:          c,
		HTTPSecret:      in.HTTPSecret,
		ForeignOwner:    in.OwnerUID != 0,
		UpstreamResolve: resolvesUpstream(c.Nginx.Image),
		ServerName:      nginxName(c.Domain),
		CertName:        in.CertName,
		StopGrace:       grace,
		DrainTimeout:    drainTimeout(grace),
	}
	registry, err := execute(RegistryConf, d)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(registry)
	d.RegistryConfigSum = hex.EncodeToString(sum[:16])
	nginx, err := execute(NginxConf, d)
	if err != nil {
		return nil, err
	}
	stack, err := execute(ComposeFile, d)
	if err != nil {
		return nil, err
	}
	return []File{
		{Path: RegistryConf, Data: registry, Mode: 0o600, Secret: true},
		{Path: NginxConf, Data: nginx, Mode: 0o644},
		{Path: ComposeFile, Data: stack, Mode: 0o644},
	}, nil
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

// resolvesUpstream tells whether the image's Nginx knows `server … resolve` in
// an upstream block, which came to the open-source version with 1.27.3. Only
// the tag can be asked without Docker; where it says nothing (alpine, stable, a
// digest) the older way is rendered, which every version understands.
func resolvesUpstream(image string) bool {
	name, _, _ := strings.Cut(image, "@")
	tag := name[strings.LastIndex(name, "/")+1:]
	_, tag, _ = strings.Cut(tag, ":")
	var major, minor, patch int
	n, _ := fmt.Sscanf(tag, "%d.%d.%d", &major, &minor, &patch)
	switch {
	case n < 2:
		return false
	case major != 1:
		return major > 1
	case minor != 27:
		return minor > 27
	}
	return n == 3 && patch >= 3
}
