package storagetest

import (
	"os"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// Sample is two repositories of everything that is legal, with what they consist
// of. A real registry serves all of it.
type Sample struct {
	*Tree
	// App has the tags v1 (Image), multi (Index, of Image and Arm), deep (an index of
	// Index) and alias (AliasImage); Other has x, which shares Layer.
	App, Other                          string
	Image, Arm, Index, Deep, AliasImage storage.Digest
	Layer, Config, Loose                storage.Digest // of Image; the last of a signature, which has no tag
	// Alias is the sha512 of a layer that was pushed by it, AliasBlob what it is
	// stored as.
	Alias, AliasBlob storage.Digest
}

// NewSample adds a sample to a tree. Its content is that name's own.
func NewSample(t *Tree, name string) Sample {
	s := Sample{Tree: t, App: name + "/app", Other: name + "/other"}
	text := func(what string) string { return strings.Repeat(what+" of "+name+"\n", 9) }
	s.Image = t.Image(s.App, text("config"), text("layer one"), text("layer two"))
	s.Layer, s.Config = storage.SHA256.Of([]byte(text("layer one"))), storage.SHA256.Of([]byte(text("config")))
	s.Arm = t.Image(s.App, text("config arm"), text("layer arm"))
	s.Index = t.IndexOf(s.App, t.Describe(OCIManifest, s.Image), t.Describe(OCIManifest, s.Arm))
	s.Deep = t.IndexOf(s.App, t.Describe(OCIIndex, s.Index))
	t.Tag(s.App, "v1", s.Image)
	t.Tag(s.App, "multi", s.Index)
	t.Tag(s.App, "deep", s.Deep)
	alias, config := t.Alias(s.App, text("alias")), t.Layer(s.App, text("config of an alias"))
	s.AliasBlob, s.Alias = storage.SHA256.Of([]byte(text("alias"))), storage.SHA512.Of([]byte(text("alias")))
	s.AliasImage = t.Manifest(s.App, Manifest{SchemaVersion: 2, MediaType: OCIManifest, Config: &config, Layers: []Descriptor{alias}})
	t.Tag(s.App, "alias", s.AliasImage)
	t.Tag(s.Other, "x", t.Image(s.Other, text("config other"), text("layer one")))
	subject := t.Describe(OCIManifest, s.Image)
	empty := t.Layer(s.App, text("config of a signature"))
	t.Manifest(s.App, Manifest{SchemaVersion: 2, MediaType: OCIManifest, ArtifactType: "application/x-test", Config: &empty,
		Layers: []Descriptor{t.Layer(s.App, text("signature"))}, Subject: &subject})
	s.Loose = storage.SHA256.Of([]byte(text("signature")))
	return s
}

// Describe describes a manifest of the tree with its size.
func (t *Tree) Describe(mediaType string, d storage.Digest) Descriptor {
	info, err := os.Stat(t.Path(storage.BlobPath(d) + "/data"))
	must(err)
	return Descriptor{MediaType: mediaType, Digest: d.String(), Size: int(info.Size())}
}

// IndexOf pushes an index of what is described.
func (t *Tree) IndexOf(repo string, children ...Descriptor) storage.Digest {
	return t.Manifest(repo, Manifest{SchemaVersion: 2, MediaType: OCIIndex, Manifests: children})
}

// read is a file's content.
func (t *Tree) read(rel string) string {
	data, err := os.ReadFile(t.Path(rel))
	must(err)
	return string(data)
}
