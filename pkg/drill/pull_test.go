package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
)

func TestAllComes(t *testing.T) {
	s := stocked(t)
	gets := map[string]int{}
	s.instead = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, s.layer) {
			gets[r.URL.Path]++
		}
		return false
	}
	var told Progress
	r := s.pull(t, Options{Workers: 1, Progress: func(p Progress) { told = p }})
	if r.Failed != 0 || len(r.Unpullable) != 0 || r.Repositories != 3 || r.Tags != 4 || r.Manifests != 3+3 || r.Blobs != 3+2+2*2 {
		t.Errorf("%+v", r)
	}
	if told.Tags != 4 || told.Blobs != int64(r.Blobs) || told.Bytes != r.Bytes || r.Bytes < 5*2000 {
		t.Errorf("told %+v of %+v", told, r)
	}
	// Read once, and the other repository was asked.
	if len(gets) != 1 {
		t.Errorf("%v", gets)
	}
}

// Each way in which a registry can fail to serve what is listed, and the tags that
// are told for it.
func TestWhatDoesNotCome(t *testing.T) {
	ends := func(r *http.Request, text string) bool { return strings.HasSuffix(r.URL.Path, text) }
	for what, c := range map[string]struct {
		instead func(s *stock, w http.ResponseWriter, r *http.Request) bool
		want    func(s *stock) []string
	}{
		"a blob is missing": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if !ends(r, s.layer) {
					return false
				}
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
				return true
			},
			func(s *stock) []string {
				why := s.layer + ": the registry answers 404 BLOB_UNKNOWN: blob unknown to registry"
				return []string{"team/app:v1: " + why, "team/copy:same: " + why}
			}},
		"a blob is another one": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, s.layer) {
					fmt.Fprint(w, "other bytes")
				}
				return ends(r, s.layer)
			},
			func(s *stock) []string {
				why := s.layer + ": " + errDigest.Error()
				return []string{"team/app:v1: " + why, "team/copy:same: " + why}
			}},
		"a blob breaks off": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, s.layer) {
					w.Header().Set("Content-Length", "3000")
					fmt.Fprint(w, "short")
				}
				return ends(r, s.layer)
			},
			func(s *stock) []string {
				why := s.layer + ": after 5 bytes: unexpected EOF"
				return []string{"team/app:v1: " + why, "team/copy:same: " + why}
			}},
		"one repository does not have it": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "team/copy/blobs/"+s.layer) {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
				return false
			},
			func(s *stock) []string { return []string{"team/copy:same: " + s.layer + ": the registry answers 404"} }},
		"the first repository does not have it": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "team/app/blobs/"+s.layer) {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
				return false
			},
			func(s *stock) []string { return []string{"team/app:v1: " + s.layer + ": the registry answers 404"} }},
		"the first repository does not have it, and another's is damaged": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				switch {
				case ends(r, "team/app/blobs/"+s.layer):
					w.WriteHeader(http.StatusNotFound)
				case ends(r, "team/copy/blobs/"+s.layer):
					fmt.Fprint(w, "other bytes")
				default:
					return false
				}
				return true
			},
			func(s *stock) []string {
				return []string{"team/app:v1: " + s.layer + ": the registry answers 404", "team/copy:same: " + s.layer + ": " + errDigest.Error()}
			}},
		"a tag is missing": {
			func(_ *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "/manifests/v1") {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
				return false
			},
			func(*stock) []string { return []string{"team/app:v1: the registry answers 404"} }},
		"a tag names another manifest": {
			func(_ *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "/manifests/v1") {
					fmt.Fprint(w, "{}")
					return true
				}
				return false
			},
			func(s *stock) []string {
				return []string{fmt.Sprintf("team/app:v1: %s: %s, not %s", errOther, storage.SHA256.Of([]byte("{}")), s.digest)}
			}},
		"a child of an index is missing": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "/manifests/"+s.index[1].String()) {
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
				return false
			},
			func(s *stock) []string {
				return []string{fmt.Sprintf("team/multi:all: %s: the registry answers 500", s.index[1])}
			}},
		"a manifest without a tag does not match": {
			func(s *stock, w http.ResponseWriter, r *http.Request) bool {
				if ends(r, "/manifests/"+s.index[0].String()) {
					fmt.Fprint(w, "{}")
					return true
				}
				return false
			},
			func(s *stock) []string {
				return []string{
					fmt.Sprintf("team/multi@%s: %s", s.index[0], errDigest),
					fmt.Sprintf("team/multi@%s: %s: %s", s.index[2], s.index[0], errDigest),
				}
			}},
	} {
		t.Run(what, func(t *testing.T) {
			s := stocked(t)
			s.instead = func(w http.ResponseWriter, r *http.Request) bool { return c.instead(s, w, r) }
			if what == "a manifest without a tag does not match" {
				s.repos[2].Tags = nil
			}
			r := s.pull(t, Options{})
			want := c.want(s)
			slices.Sort(want)
			got := strings.Split(r.failed(), "\n")
			slices.Sort(got)
			if !slices.Equal(got, want) || r.Failed != len(want) {
				t.Errorf("%d:\n%s\nwant:\n%s", r.Failed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// An index that was pushed without some of its manifests is whole for those who
// say so, and only where the snapshot did not have them either.
func TestSparseIndex(t *testing.T) {
	s := stocked(t)
	s.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/"+s.index[0].String()) {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	}
	if r := s.pull(t, Options{Sparse: true}); r.Failed != 1 {
		t.Errorf("listed: %s", r.failed())
	}
	s.repos[2].Manifests = s.repos[2].Manifests[1:]
	if r := s.pull(t, Options{}); r.Failed != 1 {
		t.Errorf("not sparse: %s", r.failed())
	}
	if r := s.pull(t, Options{Sparse: true}); r.Failed != 0 || r.Tags != 4 {
		t.Errorf("sparse: %+v", r)
	}
}

// A registry that is gone, and a drill that is given up, are no verdict.
func TestNoVerdict(t *testing.T) {
	s := stocked(t)
	c := s.client()
	c.Gone = func() error { return errors.New("the registry ended") }
	s.Close()
	if r, err := Pull(t.Context(), c, s.all(), Options{}); err == nil || r != nil || err.Error() != "the registry ended" {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s = stocked(t)
	if r, err := Pull(ctx, s.client(), s.all(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
	bad := func(yield func(Repository, error) bool) { yield(Repository{}, ErrList) }
	if _, err := Pull(t.Context(), s.client(), bad, Options{}); !errors.Is(err, ErrList) {
		t.Error(err)
	}
}

// What does not fit into a line is counted.
func TestMostUnpullable(t *testing.T) {
	s := serve(t)
	m := image(t, 1)
	h, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostUnpullable + 5 {
		s.list("a", fmt.Sprint("t", i), h)
	}
	if r := s.pull(t, Options{}); r.Failed != mostUnpullable+5 || len(r.Unpullable) != mostUnpullable || r.Tags != 0 {
		t.Errorf("%d, %d", r.Failed, len(r.Unpullable))
	}
}
