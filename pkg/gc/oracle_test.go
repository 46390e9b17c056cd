package gc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The oracle says what has to be there after a collection. It is written to be
// obviously right and knows nothing of the code that it judges: it reads the tree
// with the standard library and applies each rule again and again until nothing
// changes.

type oFile struct {
	content string
	mod     time.Time
}

type oracle struct {
	o     Options
	now   time.Time
	files map[string]oFile // below docker/registry/v2
	dirs  map[string]time.Time
	used  map[string]bool // digests needed anywhere
	keep  map[string]bool // files that stay
	gone  map[string]bool // directories that go whole
}

func readOracle(dir string, o Options, now time.Time) *oracle {
	or := &oracle{o: o, now: now, files: map[string]oFile{}, dirs: map[string]time.Time{}, used: map[string]bool{}, keep: map[string]bool{}, gone: map[string]bool{}}
	root := filepath.Join(dir, "docker/registry/v2")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			or.dirs[rel] = info.ModTime()
			return nil
		}
		data, err := os.ReadFile(p)
		or.files[rel] = oFile{string(data), info.ModTime()}
		return err
	})
	if err != nil {
		panic(err)
	}
	return or
}

func (or *oracle) young(t time.Time) bool { return t.After(or.now.Add(-or.o.Grace)) }

func (or *oracle) pinned(d string) bool {
	for _, k := range or.o.Keep {
		if k.String() == d {
			return true
		}
	}
	return false
}

func blobFile(d string) string {
	alg, h, _ := strings.Cut(d, ":")
	return "blobs/" + alg + "/" + h[:2] + "/" + h + "/data"
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(h[:])
}

func goodDigest(s string) bool {
	alg, h, ok := strings.Cut(s, ":")
	want := map[string]int{"sha256": 64, "sha512": 128}[alg]
	return ok && want > 0 && len(h) == want && strings.Trim(h, "0123456789abcdef") == ""
}

// oRefs are what a manifest names. ok is false where it cannot be understood.
type oRefs struct {
	blobs, children []string
	subject         string
}

func (or *oracle) manifest(d string) (refs oRefs, ok, there bool) {
	if !goodDigest(d) {
		return refs, false, false
	}
	f, there := or.files[blobFile(d)]
	if !there {
		return refs, false, false
	}
	if sum(f.content) != d {
		return refs, false, true
	}
	var doc map[string]any
	if json.Unmarshal([]byte(f.content), &doc) != nil {
		return refs, false, true
	}
	digest := func(v any) (string, bool) {
		m, isMap := v.(map[string]any)
		s, isText := m["digest"].(string)
		return s, isMap && isText && goodDigest(s)
	}
	mediaType, _ := doc["mediaType"].(string)
	if doc["config"] == nil && doc["layers"] == nil && doc["manifests"] == nil && doc["blobs"] == nil && !strings.HasSuffix(mediaType, "+json") {
		return refs, false, true
	}
	for _, key := range []string{"layers", "blobs", "manifests"} {
		list, _ := doc[key].([]any)
		for _, v := range list {
			s, good := digest(v)
			if !good {
				return refs, false, true
			}
			if key == "manifests" {
				refs.children = append(refs.children, s)
			} else {
				refs.blobs = append(refs.blobs, s)
			}
		}
	}
	if doc["config"] != nil {
		s, good := digest(doc["config"])
		if !good {
			return refs, false, true
		}
		refs.blobs = append(refs.blobs, s)
	}
	if doc["subject"] != nil {
		s, good := digest(doc["subject"])
		if !good {
			return refs, false, true
		}
		refs.subject = s
	}
	return refs, true, true
}

func (or *oracle) repositories() (out []string) {
	seen := map[string]bool{}
	for d := range or.dirs {
		for _, own := range []string{"/_manifests", "/_layers", "/_uploads"} {
			if name, ok := strings.CutPrefix(d, "repositories/"); ok && strings.HasSuffix(name, own) {
				name = strings.TrimSuffix(name, own)
				if !strings.Contains(name, "/_") && !seen[name] {
					seen[name] = true
					out = append(out, name)
				}
			}
		}
	}
	return out
}

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

// expect computes the files that have to be there.
func (or *oracle) expect() map[string]bool {
	var repos []*oRepo
	for _, name := range or.repositories() {
		r := or.load(name)
		or.repository(r)
		repos = append(repos, r)
		for d := range r.used {
			or.used[d] = true
		}
	}
	for f, c := range or.files {
		if d, ok := strings.CutPrefix(f, "blobs/"); ok {
			parts := strings.Split(d, "/")
			digest := parts[0] + ":" + parts[2]
			if or.used[digest] || or.pinned(digest) || or.young(c.mod) {
				or.keep[f] = true
			}
		}
	}
	for _, r := range repos {
		if !r.whole {
			or.files_(r)
		}
	}
	return or.keep
}

func (or *oracle) files_(r *oRepo) {
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

// difference tells what is wrong with what is there.
func difference(dir string, want map[string]bool) string {
	var out strings.Builder
	root := filepath.Join(dir, "docker/registry/v2")
	seen := map[string]bool{}
	filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, p)
			seen[rel] = true
			if !want[rel] {
				fmt.Fprintf(&out, "should have gone: %s\n", rel)
			}
		}
		return err
	})
	for f := range want {
		if !seen[f] {
			fmt.Fprintf(&out, "LOST: %s\n", f)
		}
	}
	return out.String()
}
