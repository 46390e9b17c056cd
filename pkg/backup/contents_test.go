package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage/storagetest"
)

func TestContents(t *testing.T) {
	src := t.TempDir()
	tree := storagetest.New(src)
	shared := strings.Repeat("shared", 2000)
	one := tree.Image("team/one", "config", shared, "of one")
	tree.Tag("team/one", "v1", one)
	tree.Tag("team/one", "latest", one)
	two := tree.Image("two", "config", shared)
	tree.Tag("two", "v1", two)
	loose := tree.Image("two", "another config")
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	snap, err := s.Snapshot(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Contents(t.Context(), snap, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all.Repositories)
	if fmt.Sprint(all.Repositories) != "[team/one two]" || all.Tags != 3 || all.Blobs != snap.Blobs || all.Bytes != snap.Bytes || all.Room <= all.Bytes {
		t.Errorf("%+v of %+v", all, snap)
	}
	onlyTwo := func(name string) bool { return name == "two" }
	part, err := s.Contents(t.Context(), snap, onlyTwo)
	if err != nil {
		t.Fatal(err)
	}
	// Two manifests, two configs, a layer.
	if fmt.Sprint(part.Repositories) != "[two]" || part.Tags != 1 || part.Blobs != 5 || part.Bytes >= all.Bytes || part.Room >= all.Room {
		t.Errorf("%+v", part)
	}
	if _, err := s.Contents(t.Context(), snap, func(string) bool { return false }); !errors.Is(err, ErrNothingMatches) {
		t.Error(err)
	}
	list := func(match func(string) bool) string {
		var out []string
		err := s.EachManifest(t.Context(), snap, match, func(m Manifest) error {
			out = append(out, m.Repository+":"+m.Tag+"@"+m.Digest.String())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	want := []string{"two:@" + two.String(), "two:@" + loose.String(), "two:v1@" + two.String()}
	slices.Sort(want)
	if got := list(onlyTwo); got != strings.Join(want, "\n") {
		t.Errorf("%s\nwant %v", got, want)
	}
	if got := list(nil); strings.Count(got, "\n") != 5 || !strings.Contains(got, "team/one:latest@"+one.String()) {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Contents(ctx, snap, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
