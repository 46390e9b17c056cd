package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/fsck"
	"github.com/regctl/regctl/pkg/storage"
)

// A registry to which nothing was ever pushed is well. A volume that held images
// and holds none now is not, and a wrong directory is an error.
func TestCheckOfNothing(t *testing.T) {
	for name, job := range map[string]job{"fsck": fsckJob, "fsck repair": fsckRepairJob} {
		check := func(seen int) (any, error) {
			options, err := json.Marshal(fsckRepairRequest{fsckRequest: fsckRequest{Seen: seen}})
			if err != nil {
				t.Fatal(err)
			}
			return job(t.Context(), t.TempDir(), options, func(progress) {})
		}
		out, err := check(0)
		if m, ok := out.(*fsck.Mended); ok {
			out = m.Report
		}
		if r, ok := out.(*fsck.Report); err != nil || !ok || r.Damaged() || r.Problems == nil || r.Checked.Blobs != 0 {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		if _, err := check(7); err == nil || !strings.Contains(err.Error(), "regctl has seen 7 blobs there") || !strings.Contains(advice.Of(err), "regctl restore") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := check(-1); !errors.Is(err, storage.ErrNoStorage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A volume that was lost is not backed up over what it held.
func TestBackupOfNothing(t *testing.T) {
	create := func(seen int) error {
		options, err := json.Marshal(createRequest{storeRequest: storeRequest{Dest: t.TempDir()}, Seen: seen})
		if err != nil {
			t.Fatal(err)
		}
		_, err = backupCreateJob(t.Context(), t.TempDir(), options, func(progress) {})
		return err
	}
	if err := create(0); err != nil {
		t.Error(err)
	}
	if err := create(7); err == nil || !strings.Contains(err.Error(), "regctl has seen 7 blobs there") || advice.Of(err) == "" {
		t.Error(err)
	}
	if err := create(-1); !errors.Is(err, storage.ErrNoStorage) {
		t.Error(err)
	}
}
