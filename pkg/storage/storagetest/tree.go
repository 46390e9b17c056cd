// Package storagetest builds storage trees as a registry leaves them, for tests
// and benchmarks: written in the registry's order, with any time, and whatever
// damage a test needs. It panics on an error, since a test cannot go on then.
package storagetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/storage"
)

// Tree is a storage directory under construction.
type Tree struct {
	// Dir holds docker/registry/v2.
	Dir string
	// When is the time that files get which are written next.
	When time.Time
}

// New makes an empty storage in dir, with what is written being a year old.
func New(dir string) *Tree {
	t := &Tree{dir, time.Now().Add(-365 * 24 * time.Hour)}
	t.mkdir("docker/registry/v2/blobs/sha256")
	t.mkdir("docker/registry/v2/repositories")
	return t
}

// At returns the same tree with another time for what is written through it.
func (t *Tree) At(when time.Time) *Tree { return &Tree{t.Dir, when} }

// Path is an absolute path.
func (t *Tree) Path(rel string) string { return filepath.Join(t.Dir, filepath.FromSlash(rel)) }

func (t *Tree) mkdir(rel string) { must(os.MkdirAll(t.Path(rel), 0o755)) }

func (t *Tree) symlink(to, rel string) { must(os.Symlink(to, t.Path(rel))) }

func (t *Tree) rename(from, to string) { must(os.Rename(t.Path(from), t.Path(to))) }

func (t *Tree) pipe(rel string) { must(unix.Mkfifo(t.Path(rel), 0o644)) }

// File writes a file, with the directories above it.
func (t *Tree) File(rel, content string) {
	path := t.Path(rel)
	err := os.WriteFile(path, []byte(content), 0o644)
	if os.IsNotExist(err) {
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	must(err)
	must(os.Chtimes(path, t.When, t.When))
}

// Remove removes a file or directory.
func (t *Tree) Remove(rel string) { must(os.RemoveAll(t.Path(rel))) }

// Blob writes a blob, unless it is there: the existing one wins.
func (t *Tree) Blob(data string) storage.Digest {
	d := storage.SHA256.Of([]byte(data))
	path := storage.BlobPath(d) + "/data"
	if _, err := os.Lstat(t.Path(path)); err != nil {
		t.File(path, data)
	}
	return d
}

// LinkLayer gives a repository a layer or config, as a mount does.
func (t *Tree) LinkLayer(repo string, d storage.Digest) {
	t.File(storage.LayerPath(repo, d)+"/link", d.String())
}

// LinkRevision gives a repository a manifest.
func (t *Tree) LinkRevision(repo string, d storage.Digest) {
	t.File(storage.RevisionPath(repo, d)+"/link", d.String())
}

// Layer pushes a layer or config.
func (t *Tree) Layer(repo, data string) Descriptor {
	d := t.Blob(data)
	t.LinkLayer(repo, d)
	return Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: d.String(), Size: len(data)}
}

// Alias pushes a layer by its sha512, as the registry stores that: the blob and a
// link under its sha256, and an alias.
func (t *Tree) Alias(repo, data string) Descriptor {
	desc := t.Layer(repo, data)
	alias := storage.SHA512.Of([]byte(data))
	t.File(storage.LayerPath(repo, alias)+"/link", desc.Digest)
	desc.Digest = alias.String()
	return desc
}

// Manifest pushes a manifest by its digest.
func (t *Tree) Manifest(repo string, m any) storage.Digest {
	text, ok := m.(string)
	if !ok {
		data, err := json.Marshal(m)
		must(err)
		text = string(data)
	}
	d := t.Blob(text)
	t.LinkRevision(repo, d)
	return d
}

// Tag puts a tag on a manifest.
func (t *Tree) Tag(repo, tag string, d storage.Digest) {
	t.File(storage.HistoryPath(repo, tag, d)+"/link", d.String())
	t.File(storage.TagLinkPath(repo, tag), d.String())
}

// Upload begins an upload and leaves it.
func (t *Tree) Upload(repo, id, data string) {
	dir := storage.UploadPath(repo, id)
	t.File(dir+"/startedat", t.When.UTC().Format(time.RFC3339))
	t.File(dir+"/data", data)
	must(os.Chtimes(t.Path(dir), t.When, t.When))
}

// Descriptor is a descriptor as it is written.
type Descriptor struct {
	MediaType string   `json:"mediaType,omitempty"`
	Digest    string   `json:"digest"`
	Size      int      `json:"size"`
	URLs      []string `json:"urls,omitempty"`
}

// Manifest is a manifest as it is written.
type Manifest struct {
	SchemaVersion int          `json:"schemaVersion,omitempty"`
	MediaType     string       `json:"mediaType,omitempty"`
	ArtifactType  string       `json:"artifactType,omitempty"`
	Config        *Descriptor  `json:"config,omitempty"`
	Layers        []Descriptor `json:"layers,omitempty"`
	Blobs         []Descriptor `json:"blobs,omitempty"`
	Manifests     []Descriptor `json:"manifests,omitempty"`
	Subject       *Descriptor  `json:"subject,omitempty"`
}

// Media types of manifests.
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	OCIArtifact    = "application/vnd.oci.artifact.manifest.v1+json"
)

// Image pushes an image of a config and layers with these contents.
func (t *Tree) Image(repo, config string, layers ...string) storage.Digest {
	m := Manifest{SchemaVersion: 2, MediaType: OCIManifest}
	c := t.Layer(repo, config)
	c.MediaType = "application/vnd.oci.image.config.v1+json"
	m.Config = &c
	for _, l := range layers {
		m.Layers = append(m.Layers, t.Layer(repo, l))
	}
	return t.Manifest(repo, m)
}

// Index pushes an index of these manifests.
func (t *Tree) Index(repo string, children ...storage.Digest) storage.Digest {
	m := Manifest{SchemaVersion: 2, MediaType: OCIIndex}
	for _, d := range children {
		m.Manifests = append(m.Manifests, Refer(d))
	}
	return t.Manifest(repo, m)
}

// Refer describes a manifest.
func Refer(d storage.Digest) Descriptor {
	return Descriptor{MediaType: OCIManifest, Digest: d.String(), Size: 1}
}

// Referrer pushes a signature or the like of a manifest.
func (t *Tree) Referrer(repo string, subject storage.Digest, content string) storage.Digest {
	s := Refer(subject)
	c := t.Layer(repo, "{}")
	return t.Manifest(repo, Manifest{SchemaVersion: 2, MediaType: OCIManifest, ArtifactType: "application/x-test",
		Config: &c, Layers: []Descriptor{t.Layer(repo, content)}, Subject: &s})
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("storagetest: %v", err))
	}
}
