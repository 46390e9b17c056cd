package fsck

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// The oracle pulls tags as a client would from a registry, with nothing but the
// files: it shares no code with what it judges.
type oracle struct{ top string }

// manifestMost is what clients take, and registries let in.
const manifestMost = 4 << 20

var tagText = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

var digestText = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

func (o oracle) readLink(rel string) (string, error) {
	path := filepath.Join(o.top, "repositories", rel, "link")
	if fi, err := os.Lstat(path); err != nil {
		return "", err
	} else if !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", path)
	}
	data, err := os.ReadFile(path)
	if err == nil && !digestText.Match(data) {
		err = fmt.Errorf("%s: %q is no digest", path, data)
	}
	return string(data), err
}

func slashed(digest string) string { return strings.Replace(digest, ":", "/", 1) }

func (o oracle) data(digest string) ([]byte, error) {
	alg, hexed, _ := strings.Cut(digest, ":")
	return os.ReadFile(filepath.Join(o.top, "blobs", alg, hexed[:2], hexed, "data"))
}

// fetch is a GET of a blob or manifest, compared with what was asked for.
func (o oracle) fetch(digest string, links ...string) ([]byte, error) {
	for _, l := range links {
		target, err := o.readLink(l + "/" + slashed(digest))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if target != digest { // it serves what that leads to as by its own link
			if target, err = o.readLink(l + "/" + slashed(target)); err != nil {
				return nil, err
			}
		}
		data, err := o.data(target)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		got := "sha256:" + hex.EncodeToString(sum[:])
		if strings.HasPrefix(digest, "sha512") {
			sum := sha512.Sum512(data)
			got = "sha512:" + hex.EncodeToString(sum[:])
		}
		if got != digest {
			return nil, fmt.Errorf("%s: the bytes have the digest %s", digest, got)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s: no link", digest)
}

type oracleRef struct {
	MediaType string
	Digest    string
	Size      int
	URLs      []string
}

func (o oracle) manifest(repo, digest string, size int) error {
	data, err := o.fetch(digest, repo+"/_manifests/revisions", repo+"/_layers")
	if err != nil {
		return err
	}
	if size >= 0 && len(data) != size || len(data) > manifestMost {
		return fmt.Errorf("%s: %d bytes, not %d", digest, len(data), size)
	}
	var m struct {
		Config            *oracleRef
		Layers, Manifests []oracleRef
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if len(l.URLs) > 0 {
			continue
		}
		data, err := o.fetch(l.Digest, repo+"/_layers")
		if err != nil {
			return err
		}
		if len(data) != l.Size {
			return fmt.Errorf("%s: %d bytes, not %d", l.Digest, len(data), l.Size)
		}
	}
	for _, c := range m.Manifests {
		if err := o.manifest(repo, c.Digest, c.Size); err != nil {
			return err
		}
	}
	return nil
}

// unpullable are the tags that cannot be pulled whole, sorted, with the reasons.
func (o oracle) unpullable() (out []string, why []string) {
	repos := filepath.Join(o.top, "repositories")
	filepath.WalkDir(repos, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || filepath.Base(path) != "tags" || filepath.Base(filepath.Dir(path)) != "_manifests" {
			return nil
		}
		repo, _ := filepath.Rel(repos, filepath.Dir(filepath.Dir(path)))
		entries, _ := os.ReadDir(path)
		for _, e := range entries {
			if !e.IsDir() || !tagText.MatchString(e.Name()) {
				continue // nobody can ask for it
			}
			digest, err := o.readLink(repo + "/_manifests/tags/" + e.Name() + "/current")
			if err == nil {
				err = o.manifest(repo, digest, -1)
			}
			if err != nil {
				out = append(out, repo+":"+e.Name())
				why = append(why, err.Error())
			}
		}
		return nil
	})
	sort.Strings(out)
	return out, why
}
