package fsck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// judge follows the links of one repository as the registry would.
type judge struct {
	ctx    context.Context // of this one look
	c      *check
	name   string
	r      *storage.Repository
	tags   []storage.Tag
	tagged map[storage.Digest]bool // manifests that a tag names
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
func (c *check) repository(ctx context.Context, name string) *judgement {
	j := &judge{ctx: ctx, c: c, name: name, revs: map[storage.Digest]storage.Link{}, layers: map[storage.Digest]storage.Link{},
		needed: map[storage.Digest]bool{}, seen: map[storage.Digest]*trial{}, tagged: map[storage.Digest]bool{}, out: judgement{name: name}}
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
		j.tagged[t.Digest] = true
	}
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
	if len(faults) == 1 && faults[0].ID == storage.RevisionMissing && !j.tagged[d.Digest] {
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
