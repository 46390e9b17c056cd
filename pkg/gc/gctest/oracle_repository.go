package gctest

import (
	"strings"
	"time"
)

// oRepo is one repository's content.
type oRepo struct {
	name     string
	base     string
	tags     map[string]bool
	revs     map[string]time.Time // with a link
	layers   map[string]string    // digest to content
	damaged  bool
	kept     map[string]bool
	refs     map[string]oRefs
	removed  map[string]bool // tags
	forManif map[string]bool // tags whose manifest goes too
	whole    bool
	used     map[string]bool
	deadTags map[string]bool
}

func (or *oracle) load(name string) *oRepo {
	r := &oRepo{name: name, base: "repositories/" + name + "/", tags: map[string]bool{}, revs: map[string]time.Time{}, layers: map[string]string{},
		kept: map[string]bool{}, refs: map[string]oRefs{}, removed: map[string]bool{}, forManif: map[string]bool{}, used: map[string]bool{}, deadTags: map[string]bool{}}
	for _, w := range or.o.Repositories {
		r.whole = r.whole || w == name
	}
	for d := range or.dirs {
		if t, ok := strings.CutPrefix(d, r.base+"_manifests/tags/"); ok && !strings.Contains(t, "/") {
			r.tags[t] = true
		}
	}
	for f, c := range or.files {
		if rest, ok := strings.CutPrefix(f, r.base+"_manifests/revisions/"); ok && strings.HasSuffix(rest, "/link") {
			d := strings.Replace(strings.TrimSuffix(rest, "/link"), "/", ":", 1)
			r.revs[d] = c.mod
			if c.content != d {
				r.damaged = true
			}
		}
		if rest, ok := strings.CutPrefix(f, r.base+"_layers/"); ok && strings.HasSuffix(rest, "/link") {
			d := strings.Replace(strings.TrimSuffix(rest, "/link"), "/", ":", 1)
			r.layers[d] = c.content
			alias := strings.HasPrefix(d, "sha512:") && strings.HasPrefix(c.content, "sha256:") && goodDigest(c.content)
			// A collection looks at the size of a plain link alone.
			if !alias && (len(c.content) != len(d) || strings.HasPrefix(d, "sha512:") && c.content != d) {
				r.damaged = true
			}
		}
	}
	for d := range r.revs {
		refs, ok, _ := or.manifest(d)
		if !ok {
			r.damaged = true
		}
		r.refs[d] = refs
	}
	for t := range r.tags {
		d := or.files[r.base+"_manifests/tags/"+t+"/current/link"].content
		if _, known := r.revs[d]; !known {
			r.damaged = true
		}
		for _, rm := range or.o.Tags {
			if rm.Repository == name && rm.Tag == t && rm.Digest.String() == d {
				r.removed[t] = true
				r.forManif[t] = rm.Manifest
			}
		}
	}
	return r
}

func (r *oRepo) current(or *oracle, t string) string {
	return or.files[r.base+"_manifests/tags/"+t+"/current/link"].content
}

// follows is the manifest that a cosign tag is about, if the rule holds for it.
func (r *oRepo) follows(or *oracle, t string) string {
	if !or.o.CosignTags || !strings.HasPrefix(t, "sha256-") {
		return ""
	}
	h := strings.TrimPrefix(t, "sha256-")
	for _, s := range []string{".sig", ".att", ".sbom"} {
		h = strings.TrimSuffix(h, s)
	}
	d := "sha256:" + h
	if _, known := r.revs[d]; !known || d == r.current(or, t) {
		return ""
	}
	return d
}

// hanging are the manifests that hang on removed tags.
func (r *oRepo) hanging(or *oracle) map[string]bool {
	out := map[string]bool{}
	for again := true; again; {
		again = false
		add := func(d string) {
			if !out[d] {
				out[d] = true
				again = true
			}
		}
		for t := range r.tags {
			if r.removed[t] && r.forManif[t] {
				add(r.current(or, t))
			}
			if s := r.follows(or, t); s != "" && out[s] {
				add(r.current(or, t))
			}
		}
		for d, refs := range r.refs {
			if out[d] {
				for _, c := range refs.children {
					add(c)
				}
			}
			if refs.subject != "" && out[refs.subject] {
				add(d)
			}
		}
	}
	return out
}

func (or *oracle) repository(r *oRepo) {
	if r.whole {
		return
	}
	if r.damaged {
		for d := range r.revs {
			r.kept[d] = true
		}
		for d, c := range r.layers {
			r.used[d] = true
			if goodDigest(c) {
				r.used[c] = true
			}
		}
	}
	if r.damaged { // nobody knows whether a link was deleted or lost
		for d := range or.dirs {
			if rest, ok := strings.CutPrefix(d, r.base+"_layers/"); ok && goodDigest(strings.Replace(rest, "/", ":", 1)) {
				r.used[strings.Replace(rest, "/", ":", 1)] = true
			}
		}
	}
	hanging := r.hanging(or)
	fresh := map[string]bool{} // cosign tags too young to follow
	for t := range r.tags {
		fresh[t] = or.young(or.files[r.base+"_manifests/tags/"+t+"/current/link"].mod)
	}
	for t := range r.tags {
		if r.damaged || !r.removed[t] && (r.follows(or, t) == "" || fresh[t]) {
			r.keepDigest(or, r.current(or, t))
		}
		if r.follows(or, t) != "" && !fresh[t] {
			hanging[r.current(or, t)] = true
		}
	}
	for d, mod := range r.revs {
		_, subjectHere := r.revs[r.refs[d].subject]
		switch {
		case or.young(mod), or.pinned(d):
		case hanging[d] || subjectHere:
			continue
		case or.o.DeleteUntagged && !mod.After(or.now.Add(-or.o.UntaggedOlderThan)) && !r.wasTagged(or, d):
			continue
		}
		r.keepDigest(or, d)
	}
	for again := true; again; {
		again = false
		before := len(r.kept) + len(r.used)
		for d := range r.kept {
			refs, ok, _ := or.manifest(d)
			r.used[d] = true
			if !ok {
				continue
			}
			for _, b := range refs.blobs {
				r.used[b] = true
			}
			for _, c := range refs.children {
				r.keepDigest(or, c)
			}
		}
		for d, refs := range r.refs {
			if r.kept[refs.subject] {
				r.kept[d] = true
			}
		}
		for t := range r.tags {
			if s := r.follows(or, t); s != "" && r.kept[s] {
				r.keepDigest(or, r.current(or, t))
			}
		}
		for d := range r.layers {
			f := or.files[r.base+"_layers/"+strings.Replace(d, ":", "/", 1)+"/link"]
			if or.young(f.mod) || or.pinned(d) {
				r.used[d] = true
			}
			if r.used[d] && goodDigest(f.content) {
				r.used[f.content] = true
			}
		}
		again = len(r.kept)+len(r.used) != before
	}
}

// keepDigest keeps what a tag or an index names, be it a manifest or not.
func (r *oRepo) keepDigest(or *oracle, d string) {
	if !goodDigest(d) {
		return // a damaged tag
	}
	r.used[d] = true
	if _, ok, _ := or.manifest(d); ok {
		r.kept[d] = true
	} else if _, known := r.revs[d]; known {
		r.kept[d] = true
	}
}

func (r *oRepo) wasTagged(or *oracle, d string) bool {
	if or.o.UntaggedOlderThan == 0 {
		return false
	}
	for t := range r.tags {
		mine, ok := or.files[r.base+"_manifests/tags/"+t+"/index/"+strings.Replace(d, ":", "/", 1)+"/link"]
		if !ok {
			continue
		}
		// When the tag's next manifest came; the last is followed by what it is now.
		var until time.Time
		for f, c := range or.files {
			if strings.HasPrefix(f, r.base+"_manifests/tags/"+t+"/index/") && c.mod.After(mine.mod) && (until.IsZero() || c.mod.Before(until)) {
				until = c.mod
			}
		}
		if until.IsZero() {
			until = or.files[r.base+"_manifests/tags/"+t+"/current/link"].mod
		}
		if until.After(or.now.Add(-or.o.UntaggedOlderThan)) {
			return true
		}
	}
	return false
}

// keepFiles marks the files of a repository that stay.
func (or *oracle) keepFiles(r *oRepo) {
	for f, c := range or.files {
		rest, ok := strings.CutPrefix(f, r.base)
		if !ok {
			continue
		}
		parts := strings.Split(rest, "/")
		switch {
		case strings.HasPrefix(rest, "_manifests/revisions/"):
			if r.kept[parts[2]+":"+parts[3]] {
				or.keep[f] = true
			}
		case strings.HasPrefix(rest, "_layers/"):
			if r.damaged || r.used[parts[1]+":"+parts[2]] {
				or.keep[f] = true
			}
		case strings.HasPrefix(rest, "_manifests/tags/"):
			t := parts[2]
			s := r.follows(or, t)
			gone := r.removed[t] || s != "" && !r.kept[s] && !or.young(or.files[r.base+"_manifests/tags/"+t+"/current/link"].mod)
			if r.damaged || !gone { // histories are too short here to be cleaned
				or.keep[f] = true
			}
		case strings.HasPrefix(rest, "_uploads/"):
			latest := or.dirs[r.base+"_uploads/"+parts[1]]
			started := time.Time{}
			for g, c := range or.files {
				if strings.HasPrefix(g, r.base+"_uploads/"+parts[1]+"/") {
					if c.mod.After(latest) {
						latest = c.mod
					}
					if strings.HasSuffix(g, "/startedat") {
						started, _ = time.Parse(time.RFC3339, c.content)
					}
				}
			}
			limit := or.now.Add(-or.o.Uploads)
			if or.young(latest) || !started.IsZero() && (started.After(limit) || latest.After(limit)) {
				or.keep[f] = true
			}
		}
		_ = c
	}
}
