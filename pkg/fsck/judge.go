package fsck

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// judge follows the links of one repository as the registry would.
type judge struct {
	c      *check
	name   string
	r      *storage.Repository
	tags   []storage.Tag
	revs   map[storage.Digest]storage.Link
	layers map[storage.Digest]storage.Link
	needed map[storage.Digest]bool // layers that a manifest names
	seen   map[storage.Digest]*trial
	other  []*finding // not of any manifest
	out    judgement
}

// judgement is what was found in a repository.
type judgement struct {
	name              string
	findings          []*finding
	broken            []Broken
	tags, revs, links int
	uploads           int
}

// trial is a manifest's.
type trial struct {
	faults []*finding // its own and those of what it needs
	// platforms are those of an index that cannot be pulled.
	platforms []string
	whole     int // children that can be
}

// repository judges one repository. It returns nil when it is gone.
func (c *check) repository(name string) *judgement {
	j := &judge{c: c, name: name, revs: map[storage.Digest]storage.Link{}, layers: map[storage.Digest]storage.Link{},
		needed: map[storage.Digest]bool{}, seen: map[storage.Digest]*trial{}, out: judgement{name: name}}
	var err error
	// What is unknown in it the walk tells.
	if j.r, err = c.store.Repository(name, nil); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		j.unreadable(storage.RepositoryPath(name), err)
		return j.end()
	}
	defer j.r.Close()
	j.read()
	for _, t := range j.tags {
		j.tag(t)
	}
	for d, l := range j.revs {
		if l.Fault != storage.LinkMissing {
			j.manifest(d)
		}
	}
	j.unneeded()
	return j.end()
}

// end collects what was found, each once.
func (j *judge) end() *judgement {
	all := map[string]*finding{}
	add := func(f *finding) {
		if _, ok := all[f.key()]; !ok {
			all[f.key()] = f
		}
	}
	for _, f := range j.other {
		add(f)
	}
	for _, t := range j.seen {
		for _, f := range t.faults {
			add(f)
		}
	}
	for _, f := range all {
		f.since = j.c.changed(f.Path)
		slices.Sort(f.tags)
		f.tags = slices.Compact(f.tags)
		j.out.findings = append(j.out.findings, f)
	}
	return &j.out
}

func (j *judge) unreadable(at string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	j.other = append(j.other, &finding{Problem: storage.Problem{ID: storage.Unreadable, Repository: j.name, Path: at, Message: reason(err)}})
}

// read reads all links. Tags first: what they name was there before them.
func (j *judge) read() {
	own := storage.RepositoryPath(j.name)
	var err error
	if j.tags, err = j.r.Tags(); err != nil {
		j.unreadable(own+"/"+manifests+"/tags", err)
	}
	revs, err := j.r.Revisions()
	if err != nil {
		j.unreadable(own+"/"+manifests+"/revisions", err)
	}
	for _, l := range revs {
		j.revs[l.Digest] = l
		if l.Fault != storage.LinkMissing {
			j.out.revs++
		}
	}
	if err := j.r.Layers(true, func(l storage.Link) error {
		j.layers[l.Digest] = l
		if l.Fault != storage.LinkMissing {
			j.out.links++
		}
		return nil
	}); err != nil {
		j.unreadable(own+"/"+layersDir, err)
	}
	list, err := j.r.Uploads()
	if err != nil {
		j.unreadable(own+"/"+uploads, err)
	}
	j.out.tags, j.out.uploads = len(j.tags), len(list)
	for _, u := range list {
		if j.c.old(u.ModTime, j.c.opts.Uploads) && j.c.old(u.Started, j.c.opts.Uploads) {
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: UploadStale, Repository: j.name, Path: u.Path,
				Message: fmt.Sprintf("an upload of %d bytes, untouched since %s", u.Size, u.ModTime.UTC().Format("2006-01-02"))}})
		}
	}
	if len(j.tags) == 0 && j.out.revs == 0 && len(list) == 0 && j.quiet() {
		j.other = append(j.other, &finding{Problem: storage.Problem{ID: RepositoryEmpty, Repository: j.name, Path: own, Message: "has neither tags nor manifests"}})
	}
}

// quiet tells that no push is under way: the manifest comes last.
func (j *judge) quiet() bool {
	latest := j.c.changed(storage.RepositoryPath(j.name))
	for _, l := range j.layers {
		for _, t := range []time.Time{l.ModTime, l.Changed} {
			if t.After(latest) {
				latest = t
			}
		}
	}
	return j.c.old(latest, j.c.opts.Temporary)
}

// tag follows a tag.
func (j *judge) tag(t storage.Tag) {
	at := storage.TagLinkPath(j.name, t.Name)
	name := j.name + ":" + t.Name
	history := j.history(t)
	if t.Fault != "" {
		f := &finding{Problem: storage.Problem{ID: string(t.Fault), Repository: j.name, Path: at, Message: linkText(t.Fault, t.Err)},
			what: aboutCurrent, tag: t.Name, tags: []string{name}}
		j.other = append(j.other, f)
		j.broken(t, nil, []*finding{f})
		return
	}
	if !history[t.Digest] {
		j.other = append(j.other, &finding{Problem: storage.Problem{ID: HistoryMissing, Repository: j.name, Digest: t.Digest,
			Path: storage.HistoryPath(j.name, t.Name, t.Digest) + "/link", Message: "the tag " + t.Name + " names a digest that is not in its history"},
			what: aboutHistory, tag: t.Name})
	}
	v := j.manifest(t.Digest)
	for _, f := range v.faults {
		f.tags = append(f.tags, name)
	}
	if bad := hurting(v.faults); len(bad) > 0 {
		j.broken(t, v, bad)
	}
}

// hurting are the faults that keep something from being pulled.
func hurting(faults []*finding) (out []*finding) {
	for _, f := range faults {
		if f.ID != Schema1 && f.ID != RevisionInLayers {
			out = append(out, f)
		}
	}
	return out
}

func (j *judge) broken(t storage.Tag, v *trial, faults []*finding) {
	first := faults[0]
	b := Broken{Repository: j.name, Tag: t.Name, Digest: t.Digest, Platforms: []string{}, ID: first.ID, Path: first.Path, Cause: first.Message}
	if !first.Digest.IsZero() {
		b.Cause = first.Digest.String() + ": " + first.Message
	}
	if v != nil && v.whole > 0 {
		b.Platforms = append(b.Platforms, v.platforms...)
	}
	if since := j.c.changed(first.Path); !since.IsZero() {
		b.Since = &since
	}
	j.out.broken = append(j.out.broken, b)
}

// history reads the history of a tag and tells which digests are in it.
func (j *judge) history(t storage.Tag) map[storage.Digest]bool {
	links, err := j.r.History(t.Name)
	if err != nil {
		j.unreadable(storage.TagPath(j.name, t.Name)+"/index", err)
	}
	in := map[storage.Digest]bool{}
	for _, l := range links {
		if l.Fault == storage.LinkMissing {
			continue // a manifest that was deleted
		}
		in[l.Digest] = true
		if l.Fault != "" {
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: HistoryLink, Repository: j.name, Digest: l.Digest,
				Path: storage.HistoryPath(j.name, t.Name, l.Digest) + "/link", Message: "in the history of the tag " + t.Name + ": " + linkText(l.Fault, l.Err)},
				what: aboutHistory, tag: t.Name})
		}
	}
	return in
}

func linkText(f storage.Fault, err error) string {
	if err != nil {
		return f.Text() + ": " + reason(err)
	}
	return f.Text()
}

// manifest follows a manifest of the repository. Every one that is met is tried
// once; the digests are verified, so that there can be no circle.
func (j *judge) manifest(d storage.Digest) *trial {
	if v, ok := j.seen[d]; ok {
		return v
	}
	v := &trial{}
	j.seen[d] = v
	if !j.resolve(d, v) {
		return v
	}
	j.c.refer(d)
	data := storage.BlobPath(d) + "/data"
	m, err := j.c.store.Manifest(d)
	if err != nil {
		id := storage.ManifestProblem(err)
		message := reason(err)
		if id == storage.ManifestMissing {
			message = "the manifest's blob is missing"
		}
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: id, Digest: d, Path: data, Message: message},
			what: aboutBlob, manifest: true, repositories: []string{j.name}})
		return v
	}
	if m.Kind == storage.KindSchema1 {
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: Schema1, Repository: j.name, Digest: d,
			Path: storage.RevisionPath(j.name, d) + "/link", Message: "a manifest of schema 1, which registry 3 does not serve"}})
		j.signatures(d)
	}
	for b := range m.Blobs() {
		j.blob(b, v)
	}
	for _, child := range m.Manifests {
		j.child(child, v)
	}
	return v
}

// resolve tells whether the registry finds a manifest of that digest in the
// repository.
func (j *judge) resolve(d storage.Digest, v *trial) bool {
	at := storage.RevisionPath(j.name, d) + "/link"
	l, linked := j.revs[d]
	if !linked || l.Fault == storage.LinkMissing {
		// One that came since the links were read.
		if l = j.r.Revision(d); l.Fault != storage.LinkMissing {
			linked = true
			j.revs[d] = l
		}
	}
	if !linked || l.Fault == storage.LinkMissing {
		if layer, ok := j.layer(d); ok && layer.Fault == "" {
			j.needed[d] = true
			v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: RevisionInLayers, Repository: j.name, Digest: d, Path: at,
				Message: "this manifest is linked among the layers alone"}, what: aboutRevision})
			return true
		}
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: storage.RevisionMissing, Repository: j.name, Digest: d, Path: at,
			Message: "the repository has no manifest of this digest"}, what: aboutRevision, manifest: true, repositories: []string{j.name}})
		return false
	}
	if l.Fault != "" {
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: string(l.Fault), Repository: j.name, Digest: d, Path: at,
			Message: linkText(l.Fault, l.Err)}, what: aboutRevision, manifest: true, repositories: []string{j.name}})
	}
	return true
}

// child follows an entry of an index.
func (j *judge) child(d storage.Descriptor, v *trial) {
	if d.MediaType != "" && !d.IsManifest() {
		// A build cache lists its layers like this.
		if _, linked := j.layer(d.Digest); linked {
			j.blob(d, v)
			return
		}
	}
	if j.c.opts.Sparse && j.absent(d.Digest) {
		return
	}
	child := j.manifest(d.Digest)
	faults := child.faults
	if len(faults) == 1 && faults[0].ID == storage.RevisionMissing {
		// Said otherwise than of a tag, which the trial does not know.
		f := *faults[0]
		f.ID, f.Message = storage.ChildMissing, "an index names this manifest, which the repository does not have"
		if p := d.Platform(); p != "" {
			f.Message += " (" + p + ")"
		}
		f.size = d.Size
		child.faults[0] = &f
		faults = child.faults
	}
	if len(faults) == 0 {
		if info, err := j.c.store.Stat(d.Digest); err == nil && d.Size != info.Size {
			v.faults = append(v.faults, j.wrongSize(d, info.Size, true))
		}
	}
	v.faults = appendNew(v.faults, faults...)
	switch {
	case len(hurting(faults)) == 0:
		v.whole++
	case d.Platform() != "":
		v.platforms = append(v.platforms, d.Platform())
	}
}

// absent tells that a repository has no link at all to a manifest.
func (j *judge) absent(d storage.Digest) bool {
	if _, linked := j.layer(d); linked {
		return false
	}
	return j.revs[d].Fault == storage.LinkMissing || j.revs[d].Digest.IsZero() && j.r.Revision(d).Fault == storage.LinkMissing
}

func appendNew(list []*finding, more ...*finding) []*finding {
	for _, f := range more {
		if !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// layer is the link of a layer or config.
func (j *judge) layer(d storage.Digest) (storage.Link, bool) {
	l, ok := j.layers[d]
	if !ok || l.Fault == storage.LinkMissing {
		if l = j.r.Layer(d); l.Fault == storage.LinkMissing {
			return l, false
		}
		j.layers[d] = l
	}
	return l, true
}

// blob follows a config or layer.
func (j *judge) blob(d storage.Descriptor, v *trial) {
	if d.External {
		return
	}
	j.needed[d.Digest] = true
	at := storage.LayerPath(j.name, d.Digest) + "/link"
	target := d.Digest
	l, linked := j.layer(d.Digest)
	switch {
	case !linked:
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: LayerMissing, Repository: j.name, Digest: d.Digest, Path: at,
			Message: "a manifest names this blob, which the repository does not link"}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
	case l.Fault != "":
		v.faults = append(v.faults, &finding{Problem: storage.Problem{ID: string(l.Fault), Repository: j.name, Digest: d.Digest, Path: at,
			Message: linkText(l.Fault, l.Err)}, what: aboutLayer, repositories: []string{j.name}, size: d.Size})
	default:
		target = l.Target
		j.needed[target] = true
	}
	if target.Algorithm() != storage.SHA256 && l.Fault != "" {
		return // which blob an alias led to is not known
	}
	v.faults = append(v.faults, j.data(target, d)...)
}

// data looks at the blob itself.
func (j *judge) data(target storage.Digest, d storage.Descriptor) []*finding {
	j.c.refer(target)
	path := storage.BlobPath(target) + "/data"
	f := &finding{Problem: storage.Problem{Digest: target, Path: path}, what: aboutBlob, repositories: []string{j.name}, size: d.Size}
	size, there, err := j.c.sizeOf(target)
	bad := j.c.badness(target)
	switch {
	case err != nil:
		f.ID, f.Message = storage.Unreadable, reason(err)
	case !there:
		f.ID, f.Message = BlobMissing, "this blob is not there"
	case size == 0 && target != storage.SHA256.Of(nil) && target != storage.SHA512.Of(nil):
		f.ID, f.Message = BlobEmpty, "this blob has no bytes"
	case bad != "":
		f.ID, f.Message = badID(bad), "this blob "+bad
	case d.Size != 0 && size != d.Size:
		return []*finding{j.wrongSize(storage.Descriptor{Digest: target, Size: d.Size}, size, j.c.matches(target))}
	default:
		return nil
	}
	return []*finding{f}
}

// badID tells a blob that the disk does not give from one that is another.
func badID(bad string) string {
	if strings.HasPrefix(bad, "cannot") {
		return storage.Unreadable
	}
	return BlobCorrupt
}

func (j *judge) wrongSize(d storage.Descriptor, size int64, matches bool) *finding {
	f := &finding{Problem: storage.Problem{ID: BlobSize, Digest: d.Digest, Path: storage.BlobPath(d.Digest) + "/data",
		Message: fmt.Sprintf("this blob has %d bytes, a manifest says %d", size, d.Size)}, what: aboutBlob, repositories: []string{j.name}, size: d.Size}
	if matches {
		f.ID, f.what = DescriptorSize, aboutNothing
		f.Message = fmt.Sprintf("a manifest says that this blob has %d bytes, it has %d and matches its digest", d.Size, size)
	}
	return f
}

func (j *judge) signatures(d storage.Digest) {
	links, err := j.r.Signatures(d)
	if err != nil {
		j.unreadable(storage.RevisionPath(j.name, d)+"/signatures", err)
	}
	for _, l := range links {
		j.c.refer(l.Digest)
	}
}

// unneeded looks at the links of layers that no manifest names.
func (j *judge) unneeded() {
	for d, l := range j.layers {
		if l.Fault == storage.LinkMissing {
			continue
		}
		j.c.refer(d)
		if j.needed[d] {
			continue
		}
		at := storage.LayerPath(j.name, d) + "/link"
		if l.Fault != "" {
			// A client that asks for it gets an error, and cannot push.
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: string(l.Fault), Repository: j.name, Digest: d, Path: at,
				Message: linkText(l.Fault, l.Err)}, what: aboutLayer, repositories: []string{j.name}})
			continue
		}
		j.c.refer(l.Target)
		if _, there, err := j.c.sizeOf(l.Target); err == nil && !there {
			j.other = append(j.other, &finding{Problem: storage.Problem{ID: LayerDangling, Repository: j.name, Digest: d, Path: path.Clean(at),
				Message: "the link of a blob that is not there, which no manifest needs"}})
		}
	}
}
