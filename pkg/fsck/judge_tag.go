package fsck

import (
	"github.com/regctl/regctl/pkg/storage"
)

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
