package gctest

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
	o     Wish
	now   time.Time
	files map[string]oFile // below docker/registry/v2
	dirs  map[string]time.Time
	used  map[string]bool // digests needed anywhere
	keep  map[string]bool // files that stay
	gone  map[string]bool // directories that go whole
}

func read(dir string, o Wish, now time.Time) *oracle {
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

// Expect computes the files that have to be there after a collection of the tree in
// dir: their paths below docker/registry/v2.
func Expect(dir string, o Wish, now time.Time) map[string]bool {
	or := read(dir, o, now)
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
			or.keepFiles(r)
		}
	}
	return or.keep
}

// Difference tells what is wrong with what is there; nothing if it is as expected.
func Difference(dir string, want map[string]bool) string {
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
