package storagetest

import (
	"os"
	"path"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Damage is a way to break a sample, and what a check has to say of it.
type Damage struct {
	Name string
	Do   func(Sample)
	// IDs are those of the problems that a full check finds, Fast those of one that
	// hashes nothing; sorted, separated by spaces.
	IDs, Fast string
	// Tags cannot be pulled; FastTags are those that a check knows of that hashes
	// nothing. In their order: alias deep multi v1, x.
	Tags, FastTags string
	// Left are the IDs of problems that no repair mends, and Lost tells that these
	// are why the tags still cannot be pulled then.
	Left string
	Lost bool
}

// all makes a damage that both checks find.
func all(name, ids, tags, left string, do func(Sample)) Damage {
	return Damage{name, do, ids, ids, tags, tags, left, left != "" && left == ids && tags != ""}
}

// Damages are all there are: whatever can become of a blob, of each kind of blob;
// whatever can become of a link, of each kind of link; and what else there is.
func Damages() (out []Damage) {
	for _, b := range blobs() {
		for _, how := range blobHarms() {
			d := Damage{Name: b.name + " " + how.name, Tags: b.tags, FastTags: b.tags, IDs: how.layer, Fast: how.layerFast,
				Do: func(s Sample) { how.do(s.Tree, storage.BlobPath(b.of(s))) }}
			if b.manifest {
				d.IDs, d.Fast = how.manifest, how.manifestFast
			}
			if d.Fast == "" {
				d.FastTags = ""
			}
			if how.leaves {
				d.Left = "unknown-entry"
			}
			out = append(out, d)
		}
	}
	for _, l := range links() {
		for _, how := range linkHarms() {
			ids := how.ids
			switch {
			case how.name == "gone":
				ids = l.gone
			case l.history:
				ids = strings.Replace(ids, "link-unreadable", "", 1)
				ids = strings.TrimSpace("history-link " + strings.TrimPrefix(strings.TrimSpace(ids), how.fault))
			}
			if how.name == "of another blob" && l.other == "" {
				continue
			}
			d := all(l.name+" "+how.name, ids, l.tags, "", func(s Sample) { how.do(s, path.Dir(l.at(s))) })
			// What lies beside a link is not looked at, but of tags.
			if d.Fast = ids; l.name != "tag" {
				d.Fast = strings.TrimSpace(strings.Replace(ids, "unknown-entry", "", 1))
			}
			if how.name == "of another blob" {
				d.IDs, d.Fast = l.other, l.otherFast
			}
			out = append(out, d)
		}
	}
	return append(out, others()...)
}

// object is a blob or link of a sample.
type object struct {
	name     string
	of       func(Sample) storage.Digest
	manifest bool
	at       func(Sample) string
	tags     string
	// gone is what a missing link is called, other and otherFast one that names
	// something else; empty where that is legal.
	gone, other, otherFast string
	history                bool
}

func blobs() []object {
	return []object{
		{name: "shared layer", of: func(s Sample) storage.Digest { return s.Layer }, tags: "deep multi v1 x"},
		{name: "config", of: func(s Sample) storage.Digest { return s.Config }, tags: "deep multi v1"},
		{name: "layer by sha512", of: func(s Sample) storage.Digest { return s.AliasBlob }, tags: "alias"},
		{name: "signature", of: func(s Sample) storage.Digest { return s.Loose }},
		{name: "manifest", of: func(s Sample) storage.Digest { return s.Image }, manifest: true, tags: "deep multi v1"},
		{name: "child", of: func(s Sample) storage.Digest { return s.Arm }, manifest: true, tags: "deep multi"},
		{name: "index", of: func(s Sample) storage.Digest { return s.Index }, manifest: true, tags: "deep multi"},
		{name: "index of an index", of: func(s Sample) storage.Digest { return s.Deep }, manifest: true, tags: "deep"},
	}
}

func links() []object {
	const mismatch = "link-mismatch"
	revision := func(of func(Sample) storage.Digest) func(Sample) string {
		return func(s Sample) string { return storage.RevisionPath(s.App, of(s)) + "/link" }
	}
	layer := func(of func(Sample) storage.Digest) func(Sample) string {
		return func(s Sample) string { return storage.LayerPath(s.App, of(s)) + "/link" }
	}
	return []object{
		{name: "manifest's link", at: revision(func(s Sample) storage.Digest { return s.Image }), tags: "deep multi v1", gone: "revision-missing", other: mismatch, otherFast: mismatch},
		{name: "child's link", at: revision(func(s Sample) storage.Digest { return s.Arm }), tags: "deep multi", gone: "child-missing", other: mismatch, otherFast: mismatch},
		{name: "index's link", at: revision(func(s Sample) storage.Digest { return s.Deep }), tags: "deep", gone: "revision-missing", other: mismatch, otherFast: mismatch},
		{name: "layer's link", at: layer(func(s Sample) storage.Digest { return s.Layer }), tags: "deep multi v1", gone: "layer-missing", other: mismatch, otherFast: mismatch},
		{name: "config's link", at: layer(func(s Sample) storage.Digest { return s.Config }), tags: "deep multi v1", gone: "layer-missing", other: mismatch, otherFast: mismatch},
		{name: "sha512's link", at: layer(func(s Sample) storage.Digest { return s.Alias }), tags: "alias", gone: "layer-missing", other: mismatch, otherFast: "blob-size"},
		{name: "link of a layer by sha512", at: layer(func(s Sample) storage.Digest { return s.AliasBlob }), tags: "alias", gone: "layer-missing", other: mismatch, otherFast: mismatch},
		{name: "tag", at: func(s Sample) string { return storage.TagLinkPath(s.App, "v1") }, tags: "v1", gone: "link-missing"},
		{name: "tag's history", at: func(s Sample) string { return storage.HistoryPath(s.App, "v1", s.Image) + "/link" }, gone: "history-missing", other: "history-link", otherFast: "history-link", history: true},
	}
}

// blobHarm is what can become of a blob's directory. Manifests are always read.
type blobHarm struct {
	name                                     string
	layer, layerFast, manifest, manifestFast string
	do                                       func(t *Tree, dir string)
	leaves                                   bool // something that nobody knows
}

func blobHarms() []blobHarm {
	edit := func(f func(string) string) func(*Tree, string) {
		return func(t *Tree, dir string) { t.File(dir+"/data", f(t.read(dir+"/data"))) }
	}
	return []blobHarm{
		{"gone", "blob-missing", "blob-missing", "manifest-missing", "manifest-missing", func(t *Tree, dir string) { t.Remove(dir) }, false},
		{"without its data", "blob-missing empty-directory", "blob-missing", "empty-directory manifest-missing", "manifest-missing",
			func(t *Tree, dir string) { t.Remove(dir + "/data") }, false},
		{"emptied", "blob-empty", "blob-empty", "manifest-corrupt", "manifest-corrupt", edit(func(string) string { return "" }), false},
		{"cut off", "blob-corrupt", "blob-size", "manifest-corrupt", "manifest-corrupt", edit(func(s string) string { return s[:len(s)/2] }), false},
		{"too long", "blob-corrupt", "blob-size", "manifest-corrupt", "manifest-corrupt", edit(func(s string) string { return s + "\n" }), false},
		{"with a bit flipped", "blob-corrupt", "", "manifest-corrupt", "manifest-corrupt", edit(func(s string) string { return string(s[0]^1) + s[1:] }), false},
		{"of zeros", "blob-corrupt", "", "manifest-corrupt", "manifest-corrupt", edit(func(s string) string { return strings.Repeat("\x00", len(s)) }), false},
		{"a directory", "unknown-entry unreadable", "unreadable", "manifest-unreadable unknown-entry", "manifest-unreadable",
			func(t *Tree, dir string) { t.Remove(dir + "/data"); t.mkdir(dir + "/data") }, false},
		{"a symbolic link", "unknown-entry unreadable", "unreadable", "manifest-unreadable unknown-entry", "manifest-unreadable",
			func(t *Tree, dir string) { t.Remove(dir + "/data"); t.symlink("/mnt/elsewhere", dir+"/data") }, false},
		{"by another name", "blob-missing unknown-entry", "blob-missing", "manifest-missing unknown-entry", "manifest-missing",
			func(t *Tree, dir string) { t.rename(dir+"/data", dir+"/data.bak") }, true},
	}
}

// linkHarm is what can become of a link; fault is what that is called.
type linkHarm struct {
	name, fault, ids string
	do               func(s Sample, dir string)
}

func linkHarms() []linkHarm {
	edit := func(f func(string) string) func(Sample, string) {
		return func(s Sample, dir string) { s.File(dir+"/link", f(s.read(dir+"/link"))) }
	}
	return []linkHarm{
		{"gone", "", "", func(s Sample, dir string) { s.Remove(dir) }},
		{"emptied", "link-empty", "link-empty", edit(func(string) string { return "" })},
		{"with a newline", "link-newline", "link-newline", edit(func(l string) string { return l + "\n" })},
		{"of other text", "link-invalid", "link-invalid", edit(func(string) string { return "what is this?" })},
		{"cut off", "link-invalid", "link-invalid", edit(func(l string) string { return l[:len(l)-7] })},
		{"in capitals", "link-invalid", "link-invalid", edit(strings.ToUpper)},
		{"of another blob", "link-mismatch", "link-mismatch", func(s Sample, dir string) {
			s.File(dir+"/link", storage.SHA256.Of([]byte(s.read(storage.BlobPath(s.Loose)+"/data"))).String())
		}},
		{"a directory", "link-unreadable", "link-unreadable unknown-entry", func(s Sample, dir string) { s.Remove(dir + "/link"); s.mkdir(dir + "/link") }},
		{"a symbolic link", "link-unreadable", "link-unreadable unknown-entry", func(s Sample, dir string) {
			s.Remove(dir + "/link")
			s.symlink("/mnt/elsewhere", dir+"/link")
		}},
	}
}

// long is the age of what nobody works on any more.
const long = 60 * 24 * time.Hour

// others are damages of another kind.
func others() []Damage {
	const v2 = "docker/registry/v2/"
	data := func(d storage.Digest) string { return storage.BlobPath(d) + "/data" }
	harmless := func(name, id string, do func(Sample)) Damage {
		return Damage{Name: name, Do: do, IDs: id, Fast: id, Left: id}
	}
	leaf := func(name, id string, do func(Sample)) Damage { return Damage{Name: name, Do: do, IDs: id, Left: id} }
	return []Damage{
		all("all layers' links gone", "layer-missing", "alias deep multi v1", "", func(s Sample) { s.Remove(v2 + "repositories/" + s.App + "/_layers") }),
		all("all manifests' links gone", "revision-missing", "alias deep multi v1", "", func(s Sample) { s.Remove(v2 + "repositories/" + s.App + "/_manifests/revisions") }),
		all("tag without its directory current", "link-missing", "v1", "", func(s Sample) { s.Remove(storage.TagPath(s.App, "v1") + "/current") }),
		all("tag without its history", "history-missing", "", "", func(s Sample) { s.Remove(storage.TagPath(s.App, "v1") + "/index") }),
		all("tag without anything in it", "link-missing", "v1", "link-missing", func(s Sample) {
			s.Remove(storage.TagPath(s.App, "v1"))
			s.mkdir(storage.TagPath(s.App, "v1"))
		}),
		all("tag of a manifest that is nowhere", "revision-missing", "v1", "revision-missing", func(s Sample) { s.Tag(s.App, "v1", storage.SHA256.Of([]byte("nowhere"))) }),
		all("tag of a manifest of another repository", "revision-missing", "x", "", func(s Sample) { s.Tag(s.Other, "x", s.AliasImage) }),
		all("manifest linked among the layers", "revision-in-layers", "", "", func(s Sample) {
			s.Remove(storage.RevisionPath(s.App, s.Arm))
			s.LinkLayer(s.App, s.Arm)
		}),
		{Name: "sha512's link of another blob of that size", IDs: "link-mismatch", Tags: "alias", Do: func(s Sample) {
			other := s.Blob(strings.ToUpper(s.read(data(s.AliasBlob))))
			s.LinkLayer(s.App, other)
			s.File(storage.LayerPath(s.App, s.Alias)+"/link", other.String())
		}},
		{Name: "two layers that changed places", IDs: "blob-corrupt", Fast: "blob-size", Tags: "alias deep multi v1 x", FastTags: "alias deep multi v1 x", Do: func(s Sample) {
			a, b := s.read(data(s.Layer)), s.read(data(s.AliasBlob))
			s.File(data(s.Layer), b)
			s.File(data(s.AliasBlob), a)
		}},
		all("blob below another's beginning", "blob-missing unknown-entry", "deep multi v1 x", "unknown-entry", func(s Sample) {
			to := v2 + "blobs/sha256/" + nextTo(s.Layer.Hex()[:2])
			s.mkdir(to)
			s.rename(storage.BlobPath(s.Layer), to+"/"+s.Layer.Hex())
		}),
		{Name: "blob that nothing needs, changed", IDs: "blob-corrupt", Left: "empty-directory", Do: func(s Sample) { d := s.Blob("orphan of " + s.App); s.File(data(d), "ORPHAN of "+s.App) }},
		all("blob that nothing needs, emptied", "blob-empty", "", "empty-directory", func(s Sample) { s.File(data(s.Blob("orphan of "+s.App)), "") }),
		all("manifest that is none", "manifest-unreadable", "v1", "manifest-unreadable", func(s Sample) { s.Tag(s.App, "v1", s.Manifest(s.App, `["`+s.App+`"]`)) }),
		all("manifest that is too large", "manifest-unreadable", "v1", "manifest-unreadable", func(s Sample) {
			s.Tag(s.App, "v1", s.Manifest(s.App, `{"schemaVersion":2,"layers":[],"annotations":{"`+s.App+`":"`+strings.Repeat("x", 4<<20)+`"}}`))
		}),
		all("manifest with a wrong size of a child", "descriptor-size", "v1", "descriptor-size", func(s Sample) { s.Tag(s.App, "v1", s.Tree.Index(s.App, s.Image)) }),
		{Name: "manifest with a wrong size of its config", IDs: "descriptor-size", Fast: "blob-size", Tags: "v1", FastTags: "v1", Left: "descriptor-size", Lost: true, Do: func(s Sample) {
			c := s.Tree.Layer(s.App, "config of "+s.App+" alone")
			c.Size++
			s.Tag(s.App, "v1", s.Manifest(s.App, Manifest{SchemaVersion: 2, MediaType: OCIManifest, Config: &c}))
		}},
		harmless("manifest of schema 1", "schema1", func(s Sample) { s.Manifest(s.App, `{"schemaVersion":1,"fsLayers":[],"name":"`+s.App+`"}`) }),
		harmless("layer's link without a blob", "layer-dangling", func(s Sample) { d := s.Blob("?" + s.App); s.LinkLayer(s.App, d); s.Remove(storage.BlobPath(d)) }),
		harmless("upload that was given up", "upload-stale", func(s Sample) { s.At(time.Now().Add(-long)).Upload(s.App, "u", "half") }),
		harmless("repository without anything", "repository-empty", func(s Sample) { s.LinkLayer(path.Dir(s.App)+"/none", s.Layer) }),
		harmless("repository in capitals", "illegal-name", func(s Sample) { s.File(v2+"repositories/"+path.Dir(s.App)+"/App/_layers/x", "") }),
		harmless("tag with a dot first", "illegal-name", func(s Sample) { s.File(storage.TagPath(s.App, ".x")+"/current/link", "") }),
		harmless("digest in capitals", "illegal-name", func(s Sample) {
			s.File(path.Dir(storage.LayerPath(s.App, s.Layer))+"/"+strings.ToUpper(s.Layer.Hex())+"/link", "")
		}),
		harmless("file in a repository", "unknown-entry", func(s Sample) { s.File(v2+"repositories/"+s.App+"/README", "") }),
		harmless("file among tags", "unknown-entry", func(s Sample) { s.File(v2+"repositories/"+s.App+"/_manifests/tags/.DS_Store", "") }),
		harmless("file among manifests", "unknown-entry", func(s Sample) { s.File(v2+"repositories/"+s.App+"/_manifests/revisions/sha256/x", "") }),
		harmless("file in an upload's place", "unknown-entry", func(s Sample) { s.File(v2+"repositories/"+s.App+"/_uploads/x", "") }),
		harmless("digest that is none", "unknown-entry", func(s Sample) { s.mkdir(path.Dir(storage.BlobPath(s.Layer)) + "/" + s.Layer.Hex()[:40]) }),
		harmless("algorithm that is none", "unknown-entry", func(s Sample) { s.mkdir(v2 + "repositories/" + s.App + "/_layers/md5") }),
		harmless("pipe in a repository", "unknown-entry", func(s Sample) { s.pipe(v2 + "repositories/" + s.App + "/pipe") }),
		harmless("temporary file of a tag", "temporary-file", func(s Sample) { s.File(storage.TagPath(s.App, "v1")+"/current/link.1f0c-22.tmp", "half") }),
		leaf("file beside a blob", "unknown-entry", func(s Sample) { s.File(storage.BlobPath(s.Layer)+"/.nfs0001", "") }),
		leaf("file beside a link", "unknown-entry", func(s Sample) { s.File(storage.LayerPath(s.App, s.Layer)+"/link~", "") }),
		harmless("blob that everybody can write to", "mode", func(s Sample) { must(os.Chmod(s.Path(data(s.Layer)), 0o646)) }),
		harmless("file that its owner cannot read", "mode", func(s Sample) {
			s.At(time.Now()).Upload(s.App, "u", "half")
			must(os.Chmod(s.Path(storage.UploadPath(s.App, "u")+"/startedat"), 0o244))
		}),
		harmless("directory that everybody can write to", "mode", func(s Sample) { must(os.Chmod(s.Path(v2+"repositories/"+s.App), 0o777)) }),
	}
}

// nextTo is another first byte of a digest, in hexadecimal.
func nextTo(prefix string) string {
	if prefix == "00" {
		return "01"
	}
	return "00"
}
