package storage_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// HistoryOf sees what History sees, whatever a tag's directory looks like.
func TestHistoryOfATag(t *testing.T) {
	tree := storagetest.New(t.TempDir()).At(time.Unix(1_700_000_000, 123_000_000))
	a, b := tree.Image("app", "config a", "layer"), tree.Image("app", "config b", "layer")
	long := storage.SHA512.Of([]byte("x"))
	for tag, change := range map[string]func(tag string){
		"plain":   func(string) {},
		"two":     func(tag string) { tree.Tag("app", tag, a) },
		"another": func(tag string) { tree.File(storage.TagLinkPath("app", tag), b.String()) },
		"sha512":  func(tag string) { tree.File(storage.HistoryPath("app", tag, long)+"/link", long.String()) },
		"no-link": func(tag string) { tree.Remove(storage.HistoryPath("app", tag, b) + "/link") },
		"empty":   func(tag string) { tree.File(storage.HistoryPath("app", tag, b)+"/link", "") },
		"gone":    func(tag string) { tree.Remove(storage.TagPath("app", tag) + "/index") },
		"a-file":  func(tag string) { tree.File(storage.TagPath("app", tag)+"/index/sha256/x", "") },
		"strange": func(tag string) { tree.File(storage.TagPath("app", tag)+"/index/sha256/x/link", "") },
		"no-tag":  func(tag string) { tree.File(storage.TagLinkPath("app", tag), "") },
	} {
		t.Run(tag, func(t *testing.T) {
			tree.Tag("app", tag, b)
			change(tag)
			s, err := storage.Open(tree.Dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r, err := s.Repository("app", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			read, err := r.Tag(tag)
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.History(tag)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.HistoryOf(read)
			if err != nil {
				t.Fatal(err)
			}
			byDigest := func(links []storage.Link) map[storage.Digest]storage.Link {
				m := map[storage.Digest]storage.Link{}
				for _, l := range links {
					m[l.Digest] = l
				}
				return m
			}
			if !reflect.DeepEqual(byDigest(got), byDigest(want)) {
				t.Errorf("%+v, not %+v", got, want)
			}
		})
	}
}
