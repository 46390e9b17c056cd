package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/retention"
)

// A registry to which nothing was ever pushed has no storage yet. There is nothing
// to do there, and nothing wrong.
func TestCollectionOfNothing(t *testing.T) {
	for _, dry := range []bool{false, true} {
		req := gcRequest{DryRun: dry, Recover: !dry, KeepTrash: time.Hour, Command: "gc", Retention: &retentionRequest{Now: time.Now(),
			Policy: retention.Policy{Rules: []retention.Rule{{Repositories: []string{"*"}, KeepLast: 1}}}}}
		reply, err := collectJob(t, t.TempDir(), req)
		if err != nil || reply.DryRun != dry || reply.Blobs.Total != 0 || reply.Problems == nil || reply.Disk.Total == 0 {
			t.Errorf("gc: %+v, %v", reply, err)
		}
		options, err := json.Marshal(gcRequest{DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gcUndoJob(t.Context(), t.TempDir(), options, func(progress) {}); !errors.Is(err, gc.ErrNothingToUndo) {
			t.Errorf("gc undo: %v", err)
		}
		if out, err := gcPurgeJob(t.Context(), t.TempDir(), options, func(progress) {}); err != nil {
			t.Errorf("gc purge: %+v, %v", out, err)
		}
	}
}

// A volume that was lost is told, not taken for one to which nothing was pushed.
func TestCollectionOfALostVolume(t *testing.T) {
	for _, dry := range []bool{false, true} {
		_, err := collectJob(t, t.TempDir(), gcRequest{Seen: 7, DryRun: dry, Recover: !dry, KeepTrash: time.Hour, Command: "gc"})
		if err == nil || !strings.Contains(err.Error(), "regctl has seen 7 blobs there") || !strings.Contains(advice.Of(err), "regctl restore") {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
}

// Each work on a volume counts for what was seen there; one on a directory does not.
func TestSeen(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	at := site{d: &deployment{Layout: compose.Layout{Dir: dir}}}
	for _, step := range []struct {
		kind, result string
		want         int
	}{
		{"drill", `{"blobs":{"total":99}}`, 0},
		{"gc", `{"blobs":{"total":5}}`, 5},
		{"backup", `{"blobs":{"total":7}}`, 7},
		{"fsck", `{"checked":{"blobs":6}}`, 7},
		{"fsck", `{"checked":{"blobs":8}}`, 8},
	} {
		text := `{"at":"2026-06-01T00:00:00Z","result":` + step.result + `}`
		if err := os.WriteFile(filepath.Join(dir, lastFile(step.kind)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := seenOn(at); got != step.want {
			t.Errorf("after %s %s: %d, want %d", step.kind, step.result, got, step.want)
		}
	}
	if got := seenOn(site{root: dir}); got >= 0 {
		t.Errorf("of a directory: %d", got)
	}
}

// Days are written as in regctl.yaml; what Go writes is read, too.
func TestAges(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0": 0, "-1h": -time.Hour} {
		var got span
		if err := got.Set(text); err != nil || time.Duration(got) != want {
			t.Errorf("%s is %s, %v", text, time.Duration(got), err)
		}
	}
	for _, text := range []string{"", "d", "7", "1w", "7d-1h", "99999999d"} {
		var got span
		if err := got.Set(text); err == nil {
			t.Errorf("%q passes for %s", text, time.Duration(got))
		}
	}
}
