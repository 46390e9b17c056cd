package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/engine"
)

// start brings a stack up. prepare looks and plans and changes nothing that
// lasts; run acts.
type start struct {
	app    *App
	d      *deployment
	opts   upOptions
	engine *engine.Client
	runner *compose.Runner

	files      []compose.File
	drift      []compose.Drift
	containers []engine.Container
	images     map[string]string // reference to ID; "" when it has to be pulled
	state      upState           // as the last up left it
	want       upState           // as this one is to leave it
	plan       []string
	ran        map[string]string   // service to ID of what ran before
	compose    bool                // Compose has to be called
	networks   map[string][]string // service to names of networks
	halfMade   []string            // services whose container has to be made anew
}

func (s *start) close() {
	if s.engine != nil {
		s.engine.Close()
	}
}

func (s *start) will(format string, args ...any) {
	s.plan = append(s.plan, fmt.Sprintf(format, args...))
}

// prepare finds out what has to be done. A fault in the configuration, a
// missing engine, a foreign stack or a taken port ends it here, before anything
// is touched.
func (s *start) prepare(ctx context.Context) error {
	var err error
	if s.engine, err = s.app.Connect(ctx); err != nil {
		return err
	}
	if err := s.planFiles(); err != nil {
		return err
	}
	if s.containers, err = s.engine.Containers(ctx, s.d.cfg.Project); err != nil {
		return err
	}
	if err := s.checkOwner(ctx); err != nil {
		return err
	}
	if err := s.checkImages(ctx); err != nil {
		return err
	}
	if err := s.checkPorts(ctx); err != nil {
		return err
	}
	return s.planCompose()
}

// planFiles renders and compares. What was edited by hand is not overwritten
// unless asked for.
func (s *start) planFiles() error {
	cert, err := s.app.planCertificate(s.d)
	if err != nil {
		return err
	}
	for line := range strings.Lines(cert) {
		s.will("%s", strings.TrimSpace(line))
	}
	secret, err := httpSecret(s.d.Layout)
	if errors.Is(err, fs.ErrNotExist) {
		s.will("write a new %s", compose.SecretFile)
		secret, err = "", nil
		if !s.app.dryRun {
			if err = ensureSecret(s.d.Layout); err == nil {
				secret, err = httpSecret(s.d.Layout)
			}
		}
	}
	if err != nil {
		return err
	}
	in, err := renderInput(s.d.Layout, s.d.cfg, secret)
	if err != nil {
		return err
	}
	if s.files, err = compose.Render(in); err != nil {
		return err
	}
	if s.drift, err = s.d.Compare(s.files); err != nil {
		return err
	}
	if err := checkByHand(s.d, s.drift, s.opts.force); err != nil {
		return err
	}
	for _, d := range s.drift {
		if d.Changes() {
			s.will("write %s (%s)", d.Path, d.State)
		}
	}
	if _, err := os.Stat(s.d.Path(compose.UserFile)); errors.Is(err, fs.ErrNotExist) {
		s.will("begin an empty %s", compose.UserFile)
	}
	if err := s.d.checkRights(); err != nil {
		return err
	}
	if !exists(s.d.Path(compose.RightsFile)) {
		s.will("write %s: every user may pull and push everywhere", compose.RightsFile)
	}
	return nil
}

// checkByHand refuses to lose what somebody wrote by hand.
func checkByHand(d *deployment, drift []compose.Drift, force bool) error {
	var edited []string
	for _, f := range drift {
		if f.ByHand() {
			edited = append(edited, fmt.Sprintf("%s (%s)", f.Path, f.State))
		}
	}
	if len(edited) == 0 || force {
		return nil
	}
	return advice.With(fmt.Errorf("changed by hand since regctl wrote it: %s", strings.Join(edited, ", ")),
		"regctl diff%s shows the changes; put what you need into regctl.yaml or %s, then add --force: it keeps a copy and writes the file anew",
		dirFlag(d.Dir), compose.OverrideFile)
}

// readBy names the service that reads a rendered file when it is started or told
// to, "" for the Compose file.
func readBy(path string) string {
	switch {
	case path == compose.RegistryConf:
		return compose.ServiceRegistry
	case path == compose.AuthConf:
		return compose.ServiceAuth
	case strings.HasPrefix(path, filepath.Dir(compose.NginxConf)+"/"):
		return compose.ServiceNginx
	}
	return ""
}

// edited tells whether a file that a service reads is another than the one
// regctl wrote, so that the service may have loaded what is about to be replaced.
func (s *start) edited(service string) bool {
	return slices.ContainsFunc(s.drift, func(d compose.Drift) bool { return readBy(d.Path) == service && d.ByHand() })
}

// checkImages looks which images are here.
func (s *start) checkImages(ctx context.Context) error {
	s.images = map[string]string{}
	for _, ref := range []string{s.d.cfg.Registry.Image, s.d.cfg.Nginx.Image} {
		id, err := s.engine.ImageID(ctx, ref)
		if err != nil {
			return err
		}
		s.images[ref] = id
		if id == "" {
			s.will("pull %s", ref)
		}
	}
	return nil
}

// upState is what the last up left running, kept to tell quickly whether there
// is anything to do, and which configuration Nginx has loaded.
type upState struct {
	Compose    string            `json:"compose"`    // sum of what Compose reads
	Images     map[string]string `json:"images"`     // reference to ID
	Containers map[string]string `json:"containers"` // service to ID
	Nginx      string            `json:"nginx"`      // sum of what Nginx has loaded
}

const upStateFile = compose.StateDir + "/up.json"

// planCompose finds out whether Compose has to be called and Nginx be told.
func (s *start) planCompose() error {
	s.state = readUpState(s.d.Layout)
	s.want = upState{Images: s.images, Compose: s.composeSum(), Nginx: s.nginxSum()}
	s.ran = map[string]string{}
	for _, c := range s.containers {
		if c.Running() {
			s.ran[c.Service] = c.ID
		}
	}
	for _, service := range serviceOrder {
		if s.ran[service] == "" {
			s.will("start %s", service)
			s.compose = true
		} else if s.state.Containers[service] != s.ran[service] {
			s.compose = true // started by somebody else: let Compose look
		}
	}
	if s.state.Compose != s.want.Compose || !sameMap(s.state.Images, s.images) || s.edited(compose.ServiceRegistry) || s.edited(compose.ServiceAuth) {
		s.compose = true
	}
	if s.compose && len(s.plan) == 0 {
		s.will("let Docker Compose bring the containers up to date")
	}
	if !s.compose && s.state.Nginx != s.want.Nginx {
		s.will("reload nginx")
	}
	return nil
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// composeSum sums what Compose reads: our file as it will be, and the person's
// override and environment.
func (s *start) composeSum() string {
	h := sha256.New()
	for _, f := range s.files {
		if f.Path == compose.ComposeFile {
			h.Write(f.Data)
		}
	}
	for _, name := range []string{compose.OverrideFile, ".env"} {
		data, _ := os.ReadFile(s.d.Path(name)) // missing counts as empty
		fmt.Fprintf(h, "\x00%s\x00%d\x00", name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// nginxSum sums what Nginx reads when it is loaded.
func (s *start) nginxSum() string {
	stamp := compose.Stamp(s.files)
	if pair, _, err := s.d.certs().Live(s.d.cfg.Domain); err == nil {
		return loadedSum(stamp, pair)
	}
	return stamp
}

// loadedSum is the sum of a configuration and a pair that Nginx has loaded. The
// whole chain counts: the same certificate can get the CA's behind it later.
func loadedSum(stamp string, p certs.Pair) string {
	sum := sha256.Sum256(p.Fullchain)
	return stamp + " " + hex.EncodeToString(sum[:])
}

func readUpState(l compose.Layout) (s upState) {
	if err := readJSON(l.Path(upStateFile), &s); err != nil {
		return upState{} // missing or damaged: nothing is known, so Compose will look
	}
	return s
}

func (s *start) saveState() error {
	// The registry runs: no restore that was killed is to start it any more.
	if err := os.Remove(s.d.Path(stoppedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeJSON(s.d.Layout, upStateFile, s.want)
}

// ensureUserFile begins an empty user file. Without one the registry would make
// its own, with a user and a password it logs.
func ensureUserFile(l compose.Layout) error {
	if err := durable.MkdirAll(filepath.Dir(l.Path(compose.UserFile)), 0o755); err != nil {
		return err
	}
	err := durable.CreateFile(l.Path(compose.UserFile), nil, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
