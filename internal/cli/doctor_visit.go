package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/engine"
)

// visitTimeout bounds what doctor asks of anybody: what hangs is left out.
const visitTimeout = 8 * time.Second

// visit is one run of doctor.
type visit struct {
	app  *App
	opts doctorOptions
	l    compose.Layout
	d    *deployment // nil without a valid regctl.yaml

	facts *doctor.Facts

	// What the engine's log said of users, for join.
	lastSeen map[string]time.Time
	logSince time.Time
}

// gather finds out what can be found out. Its only error is that of a caller who
// gave up.
func (v *visit) gather(ctx context.Context) (*doctor.Facts, error) {
	v.facts = &doctor.Facts{Now: v.app.Now()}
	l, err := v.app.layout()
	if err != nil {
		v.facts.NoConfig = err.Error()
		return v.facts, nil
	}
	v.l, v.facts.Dir, v.facts.DirFlag = l, l.Dir, dirFlag(l.Dir)
	v.config()
	bounded, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	// Each fills in fields of its own.
	work := []func(context.Context){v.engine, v.compose}
	if v.facts.NoConfig == "" {
		work = append(work, v.files, v.disk)
	}
	if v.d != nil {
		work = append(work, v.people, v.rendered, v.certificate, v.door, v.names, v.scheduled)
	}
	var all sync.WaitGroup
	for _, f := range work {
		all.Go(func() { f(bounded) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	v.join()
	if v.opts.smoke && v.d != nil && !v.app.dryRun && v.facts.Door.Status == 401 {
		v.facts.Smoke = v.trySmoke(ctx)
	}
	return v.facts, ctx.Err()
}

// config reads regctl.yaml, as far as it can be.
func (v *visit) config() {
	cfg, err := config.Load(v.l.Path(compose.ConfigFile))
	var invalid *config.Invalid
	switch {
	case errors.As(err, &invalid):
		for _, f := range invalid.Faults {
			v.facts.ConfigFaults = append(v.facts.ConfigFaults, f.String())
		}
		return
	case errors.Is(err, fs.ErrNotExist):
		v.facts.NoConfig = "there is no " + compose.ConfigFile + " in " + v.l.Dir
		return
	case err != nil:
		v.facts.ConfigError = err.Error()
		return
	}
	v.d = &deployment{Layout: v.l, cfg: cfg}
	v.facts.Stack = &doctor.Stack{Project: cfg.Project, Domain: cfg.Domain, URL: cfg.URL(), TLSMode: cfg.TLS.Mode,
		HTTPSPort: cfg.HTTPSPort, HTTPPort: cfg.HTTPPort}
	if fi, err := os.Stat(v.l.Path(compose.SecretFile)); err == nil { // made once, by init
		v.facts.Stack.Age = v.facts.Now.Sub(fi.ModTime())
	}
}

// compose looks for Docker Compose.
func (v *visit) compose(ctx context.Context) {
	project := config.ProjectName(v.l.Dir)
	if v.d != nil {
		project = v.d.cfg.Project
	}
	r, err := compose.FindCompose(ctx, v.l, project)
	switch {
	case err != nil && ctx.Err() == nil:
		v.facts.Compose = &doctor.Compose{Error: err.Error()}
	case err == nil:
		v.facts.Compose = &doctor.Compose{Version: r.Version}
	}
}

// join is for what two sides had to look at.
func (v *visit) join() {
	f := v.facts
	// The images mostly lie on the disk of the directory.
	if len(f.Disks) == 2 && f.Disks[0].Total == f.Disks[1].Total && f.Disks[0].Inodes == f.Disks[1].Inodes {
		f.Disks = slices.DeleteFunc(f.Disks, func(d doctor.Disk) bool { return d.What == diskOfDirectory })
	}
	if f.Users != nil && v.lastSeen != nil {
		f.Users.Seen, f.Users.LogSince = v.lastSeen, v.logSince
	}
	if v.d != nil && f.Storage == nil { // no container was looked at
		v.registryConf(compose.ServiceRegistry, nil)
	}
	if f.Lock != nil { // its containers are at work
		f.Containers = nil
	}
	v.history()
}

// history adds what was free before to the disks, and keeps what is free now.
func (v *visit) history() {
	if v.facts.NoConfig != "" {
		return
	}
	v.facts.Disks = v.app.diskHistory(v.l, v.facts.Disks)
}

// diskFile is what was free on the disks, over time.
const diskFile = compose.StateDir + "/disk.json"

// diskHistory gives disks the samples that were kept of them, and adds today's. One
// that is lost, for a race or a disk that is full, does no harm.
func (a *App) diskHistory(l compose.Layout, disks []doctor.Disk) []doctor.Disk {
	kept := map[string][]doctor.Sample{}
	_ = readJSON(l.Path(diskFile), &kept) // one that is damaged is begun anew
	changed := false
	for i := range disks {
		d := &disks[i]
		if d.Total == 0 {
			continue
		}
		var more bool
		d.Samples, more = doctor.Remember(kept[d.What], doctor.Sample{At: a.Now().UTC().Truncate(time.Second), Free: d.Free})
		kept[d.What] = d.Samples
		changed = changed || more
	}
	if changed && !a.dryRun {
		if _, err := os.Stat(l.Path(compose.StateDir)); err == nil {
			if err := writeJSON(l, diskFile, kept); err != nil {
				a.ui.Detail("what is free was not kept: %v", err)
			}
		}
	}
	return disks
}

// What the disks are called.
const (
	diskOfImages    = "the images"
	diskOfDirectory = "the deployment directory"
)

// disk looks at what holds the deployment directory, and at the host's memory.
func (v *visit) disk(context.Context) {
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		v.facts.Memory = memory(string(text))
	}
	if err := syscall.Access(v.l.Dir, 2 /* W_OK */); err != nil {
		v.facts.ReadOnly = v.l.Dir + ": " + err.Error()
	}
	v.lock()
	v.runs()
}

// statDisk looks at the file system of a path.
func statDisk(what, path string) (doctor.Disk, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return doctor.Disk{}, false
	}
	return doctor.Disk{What: what, Path: path, Free: int64(st.Bavail) * st.Bsize, Total: int64(st.Blocks) * st.Bsize,
		Inodes: int64(st.Files), InodesFree: int64(st.Ffree)}, true
}

// localAddresses are those of this host.
func localAddresses() map[string]bool {
	out := map[string]bool{}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil {
			out[ip.String()] = true
		}
	}
	return out
}

// lastWord is the end of a container's log.
func lastWord(ctx context.Context, e *engine.Client, id string) string {
	lines, err := e.LastLines(ctx, id, "1")
	if err != nil || strings.TrimSpace(lines) == "" {
		return "nothing"
	}
	const most = 300
	if lines = strings.TrimSpace(lines); len(lines) > most {
		lines = strings.ToValidUTF8(lines[:most], "") + "…"
	}
	return lines
}

// relative is a path as it stands in the deployment directory.
func (v *visit) relative(path string) string {
	if name, err := filepath.Rel(v.l.Dir, path); err == nil {
		return name
	}
	return path
}
