package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/users"
)

// modes are the permissions that files and directories may have at most. Patterns
// are those of path.Match.
var modes = []struct {
	pattern string
	most    fs.FileMode
}{
	{".", 0o755}, {compose.ConfigFile, 0o644}, {compose.ComposeFile, 0o644}, {compose.OverrideFile, 0o644},
	{"auth", 0o755}, {compose.UserFile, 0o640}, {compose.RightsFile, 0o644},
	{"registry", 0o755}, {"registry/*.yml", 0o640},
	{"nginx", 0o755}, {"nginx/*.conf", 0o644}, {"nginx/*.json", 0o644}, {compose.ScriptsDir, 0o755}, {compose.ScriptsDir + "/*.js", 0o644},
	{compose.CertsDir, 0o755}, {"certs/archive", 0o755}, {"certs/archive/*/*/privkey.pem", 0o600},
	{compose.PrivateDir, 0o700}, {compose.PrivateDir + "/*", 0o700},
	{compose.StateDir, 0o700}, {compose.StateDir + "/*.json", 0o600}, {compose.StateDir + "/*lock", 0o600}, {auditFile + "*", 0o600},
}

// files looks at permissions and owners, and at what writes that were killed left.
func (v *visit) files(context.Context) {
	owner, err := ownerUID(v.l.Dir)
	if err != nil {
		return
	}
	unread := map[string]bool{} // directories
	for _, m := range modes {
		paths := []string{v.l.Path(m.pattern)}
		if strings.Contains(m.pattern, "*") {
			dir := filepath.Dir(paths[0])
			if _, err := os.ReadDir(dir); errors.Is(err, fs.ErrPermission) && !unread[dir] {
				unread[dir] = true
				v.facts.Files = append(v.facts.Files, doctor.File{Path: v.relative(dir), Error: err.Error()})
			}
			if paths, err = filepath.Glob(paths[0]); err != nil {
				continue
			}
		}
		for _, path := range paths {
			fi, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) || err == nil && (fi.Mode()&fs.ModeSymlink != 0 || strings.HasPrefix(fi.Name(), durable.TempPrefix)) {
				continue
			}
			if err == nil && fi.IsDir() && m.most&0o100 == 0 {
				continue // in the place of a file: the comparison tells
			}
			x := doctor.File{Path: v.relative(path), Most: uint32(m.most), Owner: owner}
			if err != nil {
				x.Error = err.Error()
			} else if st, ok := fi.Sys().(*syscall.Stat_t); ok {
				x.Mode, x.UID = uint32(fi.Mode().Perm()), int(st.Uid)
				if m.most == 0o700 && !fi.IsDir() {
					x.Most = 0o600
				}
			}
			v.facts.Files = append(v.facts.Files, x)
		}
	}
	for _, name := range sweepable {
		entries, _ := os.ReadDir(v.l.Path(name))
		for _, e := range entries {
			fi, err := e.Info()
			if err == nil && strings.HasPrefix(e.Name(), durable.TempPrefix) && time.Since(fi.ModTime()) > abandoned {
				v.facts.Temporary = append(v.facts.Temporary, filepath.Join(name, e.Name()))
			}
		}
	}
	if _, err := os.Lstat(v.l.Path(journalFile)); err == nil {
		v.facts.Halfway = append(v.facts.Halfway, journalFile)
	}
	if _, err := os.Lstat(v.l.Path(stageDir)); err == nil {
		v.facts.Halfway = append(v.facts.Halfway, stageDir)
	}
}

// rendered compares the rendered files with what they should be, and reads those
// that matter to clients.
func (v *visit) rendered(context.Context) {
	if text, err := os.ReadFile(v.l.Path(compose.NginxConf)); err == nil {
		v.facts.NginxAt = doctor.ReadNginx(string(text))
	}
	files, err := v.d.render()
	if err == nil {
		var drift []compose.Drift
		drift, err = v.l.Compare(files)
		for i, d := range drift {
			if d.Changes() {
				// The permissions of secrets have a check of their own.
				v.facts.Drift = append(v.facts.Drift, doctor.Drift{Path: d.Path, State: string(d.State), Mode: d.Mode && !files[i].Secret})
			}
		}
	}
	if err != nil {
		v.facts.DriftError = err.Error()
	}
}

// people looks at users and rights.
func (v *visit) people(context.Context) {
	u := &doctor.Users{}
	v.facts.Users = u
	list, faults, err := v.d.users().List()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.Missing = true
	case err != nil:
		u.Error = err.Error()
	}
	for _, f := range faults {
		u.Faults = append(u.Faults, doctor.Fault{Line: f.Line, Message: f.Message, Fatal: f.Fatal})
	}
	rights, err := v.d.users().Rights()
	var wrong *users.RightsError
	switch {
	case errors.As(err, &wrong):
		for _, f := range wrong.Faults {
			u.RightsError = fmt.Sprintf("%s: %s", compose.RightsFile, f)
			break
		}
	case err != nil:
		u.RightsError = err.Error()
	}
	for _, x := range list {
		u.List = append(u.List, doctor.User{Name: x.Name, Line: x.Line, Scheme: x.Scheme, Cost: x.Cost, Expires: rights[x.Name].Expires})
	}
	if u.Error != "" || u.Missing {
		return
	}
	for name := range rights {
		if !slices.ContainsFunc(list, func(x users.User) bool { return x.Name == name }) {
			u.Strays = append(u.Strays, name)
		}
	}
	slices.Sort(u.Strays)
}

// certificate reads the pair on disk and how its renewal goes.
func (v *visit) certificate(context.Context) {
	cfg := v.d.cfg
	c := &doctor.Certificate{Names: cfg.Names(), Renews: cfg.TLS.Mode != config.ModeFiles}
	v.facts.Certificate = c
	if cfg.TLS.Mode == config.ModeFiles { // further names of localhost are not asked of it
		c.Names = append([]string{cfg.Domain}, cfg.TLS.Names...)
	}
	pair, _, err := v.d.certs().Live(cfg.Domain)
	if errors.Is(err, fs.ErrPermission) {
		v.facts.Certificate = nil // who may not read the key does not know
		return
	}
	if err != nil {
		c.Error = err.Error()
	} else {
		c.Chain = parseChain(pair.Fullchain)
	}
	switch cfg.TLS.Mode {
	case config.ModeSelfSigned:
		if roots, err := certs.Roots(v.d.localCA().CertPath()); err == nil {
			c.Roots = roots
		} else if c.Error == "" {
			c.Renewal = []string{err.Error()}
		}
	case config.ModeLetsEncrypt:
		_, c.Renewal = v.app.renewalProblems(v.d)
	}
}

func parseChain(text []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			out = append(out, c)
		}
	}
}

// lock finds out who holds the deployment's lock, without taking it: that would
// make another regctl fail.
func (v *visit) lock() {
	if h := holder(v.l.LockPath()); h != nil && h.PID != 0 {
		v.facts.Lock = &doctor.Lock{PID: h.PID, Command: h.Command, Since: v.facts.Now.Sub(h.Started)}
	}
}

// holder tells who holds a lock, without taking it; nil: nobody, or it is not known.
// One that did not write yet who it is has no PID.
func holder(path string) *lock.Holder {
	fi, err := os.Stat(path)
	if err != nil {
		return nil
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	table, err := os.ReadFile("/proc/locks")
	if !ok || err != nil || !flocked(string(table), st.Ino) {
		return nil
	}
	h := new(lock.Holder)
	_ = readJSON(path, h)
	return h
}

// flocked looks for an inode in a table of the form of /proc/locks (proc(5)):
// FLOCK in field 2, device:inode in field 6.
func flocked(table string, inode uint64) bool {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], fmt.Sprintf(":%d", inode)) {
			return true
		}
	}
	return false
}

// memory reads a text of the form of /proc/meminfo.
func memory(text string) *doctor.Memory {
	var m doctor.Memory
	for line := range strings.Lines(text) {
		var name string
		var kib int64
		fmt.Sscan(line, &name, &kib)
		switch name {
		case "MemAvailable:":
			m.Available = kib << 10
		case "MemTotal:":
			m.Total = kib << 10
		}
	}
	return &m
}
