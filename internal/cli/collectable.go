package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/storage"
)

// errNotCollectable says that content cannot be removed from under the stack.
var errNotCollectable = errors.New("content of this stack cannot be removed safely")

// checkCollectable makes sure that content can be removed while the registry
// runs: that Nginx holds writes back when it is told to, and that the registry
// does not remember blobs which are gone. Every image would break after a
// removal that it does not see.
func (a *App) checkCollectable(ctx context.Context, e *engine.Client, d *deployment) error {
	containers, err := e.Containers(ctx, d.cfg.Project)
	if err != nil {
		return err
	}
	files, err := d.render()
	if err != nil {
		return err
	}
	drift, err := d.Compare(files)
	if err != nil {
		return err
	}
	for _, f := range drift {
		if f.State == compose.Current || f.Path == compose.ComposeFile {
			continue
		}
		return advice.With(fmt.Errorf("%w: %s is %s, so it is not known to hold writes back and to keep no cache", errNotCollectable, f.Path, f.State),
			"regctl diff%s shows it, regctl up%s puts it right", dirFlag(d.Dir), dirFlag(d.Dir))
	}
	if c, ok := find(containers, compose.ServiceRegistry); ok {
		if err := a.checkRegistryCache(ctx, e, d, c); err != nil {
			return err
		}
	}
	c, ok := find(containers, compose.ServiceNginx)
	if !ok || !c.Running() {
		return nil // nobody can write; once it runs it reads what is on disk
	}
	code, out, err := e.Exec(ctx, c.ID, "wget", "-q", "-O", "-", "http://127.0.0.1:8080/stamp")
	if err != nil {
		return err
	}
	loaded, _, _ := strings.Cut(strings.TrimSpace(out), " ")
	if code != 0 || loaded != compose.Stamp(files) {
		return advice.With(fmt.Errorf("%w: nginx runs another configuration than the one on disk", errNotCollectable), "regctl up%s", dirFlag(d.Dir))
	}
	return nil
}

// checkRegistryCache looks for a blob descriptor cache, and for another way to
// the registry than through Nginx, as a person's own Compose file can add them.
func (a *App) checkRegistryCache(ctx context.Context, e *engine.Client, d *deployment, registry engine.Container) error {
	registry, err := e.Inspect(ctx, registry)
	if err != nil {
		return err
	}
	for _, v := range registry.Env {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasPrefix(strings.ToUpper(name), "REGISTRY_STORAGE_CACHE") && value != "" && value != "none" {
			return advice.With(fmt.Errorf("%w: the registry has a blob descriptor cache (%s), which goes on to vouch for blobs that are gone", errNotCollectable, name),
				"take %s out of %s, then regctl up%s", name, compose.OverrideFile, dirFlag(d.Dir))
		}
	}
	networks := slices.DeleteFunc(slices.Clone(registry.Networks), func(n string) bool { return n == "none" })
	if len(networks) > 0 {
		a.ui.Warn("the registry is on the network %s: writes that do not come through nginx are not held back", strings.Join(networks, ", "))
	}
	return nil
}

// checkRoot makes sure that --root names a registry's storage directory.
func checkRoot(root string) (string, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(abs, "docker", "registry", "v2")); err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return "", advice.With(fmt.Errorf("%s is no storage directory of a registry: there is no docker/registry/v2 in it", abs),
				"name the directory that is /var/lib/registry in the registry's container")
		}
		return "", err
	}
	return abs, nil
}

// digestsInUse are the digests of images that containers on this host were made
// of. They stay, from whatever registry they came: a digest is a digest.
func (a *App) digestsInUse(ctx context.Context, e *engine.Client) ([]storage.Digest, error) {
	images, err := e.ImagesInUse(ctx)
	if err != nil {
		return nil, err
	}
	var out []storage.Digest
	for _, i := range images {
		for _, ref := range i.Digests {
			_, digest, _ := strings.Cut(ref, "@")
			if d, err := storage.ParseDigest(digest); err == nil && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out, nil
}
