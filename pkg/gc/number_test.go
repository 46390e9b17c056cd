package gc

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// A run's directory has a name that no other one has or had while something of it
// is still there: also a run that could not be removed or read, in the same second.
func TestNumbersAreNotTakenTwice(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 32, 18, 0, time.UTC)
	for _, left := range []string{"", purgePrefix + "000007-20261124T143218Z", "000007-20261124T143218Z"} {
		root := t.TempDir()
		for _, dir := range []string{"docker/registry/v2", trashDir} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		want := "000001-20261124T143218Z"
		if left != "" {
			want = "000008-20261124T143218Z"
			dir := filepath.Join(root, trashDir, left)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{journalName, doneName} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("unreadable"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := storage.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		tr, err := openTrash(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.next(at); got != want {
			t.Errorf("beside %q: %s, want %s", left, got, want)
		}
	}
}
