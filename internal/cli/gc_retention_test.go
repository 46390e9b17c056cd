package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/accesslog"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/retention"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

var tenDays = 10 * 24 * time.Hour

// retentionTree has five builds of an application, a day apart, the newest a day
// old, and another repository.
func retentionTree(t *testing.T, now time.Time) (*storagetest.Tree, map[string]storage.Digest) {
	t.Helper()
	tree := storagetest.New(t.TempDir())
	digests := map[string]storage.Digest{}
	for i := range 5 {
		at := tree.At(now.Add(-time.Duration(i+1) * 24 * time.Hour))
		name := fmt.Sprintf("b%d", 5-i)
		digests[name] = at.Image("team/app", "config "+name, "shared", "layer "+name)
		at.Tag("team/app", name, digests[name])
	}
	digests["other"] = tree.Image("other", "config", "layer")
	tree.Tag("other", "old", digests["other"])
	return tree, digests
}

// collectJob is a collection as the other end gets it: through JSON.
func collectJob(t *testing.T, root string, req gcRequest) (gcReply, error) {
	t.Helper()
	in, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	out, err := gcJob(t.Context(), root, in, func(progress) {})
	if err != nil {
		return gcReply{}, err
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var reply gcReply
	if err := json.Unmarshal(text, &reply); err != nil {
		t.Fatal(err)
	}
	return reply, nil
}

func TestRetentionInACollection(t *testing.T) {
	now := time.Now()
	tree, digests := retentionTree(t, now)
	has := func(repository, tag string) bool {
		_, err := os.Stat(tree.Path(storage.TagLinkPath(repository, tag)))
		return err == nil
	}
	req := gcRequest{KeepTrash: time.Hour, Command: "gc", DryRun: true, Items: true, Retention: &retentionRequest{Now: now,
		Policy:  retention.Policy{MaxDelete: 20, KeepRunning: true, Rules: []retention.Rule{{Repositories: []string{"team/*"}, KeepLast: 2, KeepPulledWithin: tenDays}}},
		Running: &retention.Running{Digests: map[string]string{digests["b2"].String(): "web"}},
		Usage: accesslog.Usage{Since: now.Add(-2 * tenDays), Until: now,
			Pulled: map[string]map[string]time.Time{"team/app": {digests["b1"].String(): now.Add(-time.Hour)}}}}}
	req.Retention.Policy.Rules[0].KeepPulledWithin = 60 * time.Hour

	reply, err := collectJob(t, tree.Dir, req)
	if err != nil {
		t.Fatal(err)
	}
	r := reply.Retention
	if r == nil || r.Deleted != 1 || r.Kept != 5 || len(r.Tags) != 5 || r.Consent != "" {
		t.Fatalf("planned: %+v", r)
	}
	why := map[string]string{}
	for _, tag := range r.Tags {
		why[tag.Tag] = tag.Why
		if tag.Delete != (tag.Tag == "b3") || len(tag.Rules) != 1 || tag.Rules[0] != "retention.rules[0]" || tag.Pushed == nil {
			t.Errorf("%+v", tag)
		}
	}
	if want := map[string]string{"b5": "keep_last", "b4": "keep_last", "b3": "", "b2": "running", "b1": "keep_pulled_within"}; !reflect.DeepEqual(why, want) {
		t.Errorf("reasons are %v", why)
	}
	var text strings.Builder
	(&gcResult{Result: reply.Result, Items: reply.Items, Retention: r}).Text(&text)
	for _, want := range []string{
		"delete tag team/app:b3: not kept by rules[0] (keep_last 2, keep_pulled_within 2d), pushed 3d ago\n",
		"keep tag team/app:b2: container web runs it\n", "the rules of retention let 1 of 6 tags go\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}

	req.DryRun = false
	reply, err = collectJob(t, tree.Dir, req)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Retention.Deleted != 1 || len(reply.Retention.Tags) != 1 || reply.Tags.Deleted != 1 || reply.Manifests.Deleted != 1 || reply.Blobs.Deleted != 3 {
		t.Errorf("done: %+v, %+v", reply.Retention, reply.Result)
	}
	for _, tag := range []string{"b5", "b4", "b2", "b1"} {
		if !has("team/app", tag) {
			t.Errorf("%s is gone", tag)
		}
	}
	if has("team/app", "b3") || !has("other", "old") {
		t.Errorf("b3 is there: %v, other:old: %v", has("team/app", "b3"), has("other", "old"))
	}

	// More than may go at once, or a whole repository, takes consent.
	req.Retention.Policy.KeepRunning = false
	req.Retention.Policy.Rules[0] = retention.Rule{Repositories: []string{"team/*"}, KeepLast: 2}
	_, err = collectJob(t, tree.Dir, req)
	if err == nil || !strings.Contains(err.Error(), "2 of 5 tags, more than 20 %") {
		t.Errorf("too much: %v", err)
	}
	req.DryRun = true
	if reply, err := collectJob(t, tree.Dir, req); err != nil || !strings.Contains(reply.Retention.Consent, "2 of 5 tags") {
		t.Errorf("too much, planned: %+v, %v", reply.Retention, err)
	}
	req.DryRun, req.Retention.Policy.MaxDelete = false, 100
	req.Retention.Policy.Rules[0] = retention.Rule{Repositories: []string{"other"}, KeepTags: []string{"v*"}}
	if _, err := collectJob(t, tree.Dir, req); err == nil || !strings.Contains(err.Error(), "every tag of other") {
		t.Errorf("a whole repository: %v", err)
	}
	if !has("other", "old") || !has("team/app", "b1") || !has("team/app", "b2") {
		t.Fatal("something went without consent")
	}
	req.Retention.Consent = true
	if _, err := collectJob(t, tree.Dir, req); err != nil || has("other", "old") {
		t.Errorf("with consent: %v, other:old is there: %v", err, has("other", "old"))
	}
	if _, err := gc.Undo(t.Context(), tree.Dir, gc.Options{Command: "test"}); err != nil || !has("other", "old") {
		t.Errorf("undo: %v, other:old is there: %v", err, has("other", "old"))
	}
}

// Every part of a rule gets to the library.
func TestPolicyOf(t *testing.T) {
	c := config.Default()
	day := config.Duration(24 * time.Hour)
	c.Immutable = []string{"a:*"}
	c.Retention = config.Retention{MaxDelete: 7, Rules: []config.RetentionRule{{Repositories: []string{"a"}, Tags: []string{"b"}, KeepLast: 1, KeepWithin: day,
		KeepTags: []string{"c"}, KeepPulledWithin: 2 * day, KeepSemver: config.KeepSemver{Majors: 3, Minors: 4, Patches: 5}}}}
	want := retention.Policy{Immutable: []string{"a:*"}, KeepRunning: true, MaxDelete: 7, Rules: []retention.Rule{{Repositories: []string{"a"}, Tags: []string{"b"}, KeepLast: 1,
		KeepWithin: day.Std(), KeepTags: []string{"c"}, KeepPulledWithin: 2 * day.Std(), KeepSemver: retention.Semver{Majors: 3, Minors: 4, Patches: 5}}}}
	if got := policyOf(c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[config.RetentionRule](), reflect.TypeFor[config.KeepSemver]()} {
		v := reflect.ValueOf(c.Retention.Rules[0])
		if typ != v.Type() {
			v = reflect.ValueOf(c.Retention.Rules[0].KeepSemver)
		}
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not tested here", typ, typ.Field(i).Name)
			}
		}
	}
}

func TestRunningOf(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	r := runningOf([]engine.InUse{
		{Container: "0123456789abcdef", Tags: []string{"registry.example.com/team/app:v1", "localhost:8443/app:latest", "nginx:1", "sha256:" + strings.Repeat("b", 64), "???", "10.0.0.1:5000/x"},
			Digests: []string{"registry.example.com/team/app@" + digest}},
		{Container: "short", Tags: []string{"reg.lan/y@sha256:" + strings.Repeat("c", 64)}},
	})
	if want := map[string]string{"team/app:v1": "0123456789ab", "app:latest": "0123456789ab", "x:latest": "0123456789ab"}; !reflect.DeepEqual(r.Tags, want) {
		t.Errorf("tags are %v", r.Tags)
	}
	if want := map[string]string{digest: "0123456789ab", "sha256:" + strings.Repeat("c", 64): "short"}; !reflect.DeepEqual(r.Digests, want) {
		t.Errorf("digests are %v", r.Digests)
	}
}

// What no flag says is as regctl.yaml says.
func TestCollectionOptionsFromConfig(t *testing.T) {
	hours := func(n int) config.Duration { return config.Duration(time.Duration(n) * time.Hour) }
	c := config.GC{DeleteUntagged: true, UntaggedOlderThan: hours(1), Grace: hours(2), KeepTrash: hours(3)}
	app, _, _ := inProcess()
	cmd := newGCCommand(app)
	if err := cmd.ParseFlags([]string{"--delete-untagged=false", "--grace", "5h"}); err != nil {
		t.Fatal(err)
	}
	o := gcOptions{grace: 5 * time.Hour}
	o.fromConfig(cmd, c)
	if want := (gcOptions{grace: 5 * time.Hour, untaggedOlderThan: time.Hour, keepTrash: 3 * time.Hour}); o != want {
		t.Errorf("%+v, want %+v", o, want)
	}
	d := config.Default().GC
	if d.Grace.Std() != gc.DefaultGrace || d.KeepTrash.Std() != gc.DefaultKeepTrash || d.UntaggedOlderThan.Std() != gc.DefaultUntagged {
		t.Errorf("the defaults of regctl.yaml are others than those of the flags: %+v", d)
	}
}
