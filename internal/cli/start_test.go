package cli

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/regctl/regctl/pkg/compose"
)

// A registry that was started is not one that a killed restore has left stopped.
func TestUpEndsAStop(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	s := &start{d: &deployment{Layout: compose.Layout{Dir: dir}}}
	if err := os.WriteFile(s.d.Path(stoppedFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with it and without
		if err := s.saveState(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(s.d.Path(stoppedFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
}
