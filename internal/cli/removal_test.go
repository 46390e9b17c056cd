package cli

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
)

// What a rule makes immutable is not removed, by no way, and nothing else goes
// with the attempt.
func TestImmutableIsNotRemoved(t *testing.T) {
	tree, digests := retentionTree(t, time.Now())
	for name, what := range map[string]removal{
		"the tag":        {Tags: []taggedAs{{"team/app", "b5"}, {"team/app", "b1"}}},
		"its repository": {Repositories: []string{"other", "team/app"}},
	} {
		what.Immutable = []string{"team/**:b1"}
		_, err := collectJob(t, tree.Dir, gcRequest{Command: "tag rm", Removal: &what})
		if !errors.Is(err, errImmutable) || !strings.Contains(err.Error(), `tag team/app:b1 is immutable by the rule "team/**:b1"`) || advice.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name := range digests {
		repository := "team/app"
		if name == "other" {
			repository, name = "other", "old"
		}
		if _, err := os.Stat(tree.Path(storage.TagLinkPath(repository, name))); err != nil {
			t.Error(err)
		}
	}
	what := removal{Tags: []taggedAs{{"team/app", "b5"}}, Immutable: []string{"team/**:b1"}}
	reply, err := collectJob(t, tree.Dir, gcRequest{Command: "tag rm", Removal: &what})
	if err != nil || reply.Tags.Deleted != 1 || reply.Manifests.Deleted != 1 || reply.Blobs.Deleted != 3 {
		t.Errorf("another tag: %+v, %v", reply.Result, err)
	}
}

// A manifest that a container runs stays when its tag goes.
func TestRemovedTagInUse(t *testing.T) {
	tree, digests := retentionTree(t, time.Now())
	what := removal{Tags: []taggedAs{{"team/app", "b5"}}}
	reply, err := collectJob(t, tree.Dir, gcRequest{Command: "tag rm", Removal: &what, Keep: []storage.Digest{digests["b5"]}})
	if err != nil || reply.Tags.Deleted != 1 || reply.Manifests.Deleted != 0 || reply.Blobs.Deleted != 0 {
		t.Errorf("%+v, %v", reply.Result, err)
	}
}
