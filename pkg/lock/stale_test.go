package lock

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// A holder has the lock for an instant before it has written who it is. Whoever
// meets it then must not be told the one before, which has ended.
func TestHolderNotYetWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	write := func(h Holder) {
		data, err := json.Marshal(h)
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
	write(Holder{PID: ended.Process.Pid, Command: "the one before"})
	holder := flock.New(path)
	if ok, err := holder.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer holder.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		time.Sleep(3 * poll) // the instant, made long
		write(Holder{PID: os.Getpid(), Command: "the holder"})
	}()
	_, err := Acquire(t.Context(), path, "another", 0)
	<-written
	var held *HeldError
	if !errors.As(err, &held) || held.Holder.Command != "the holder" {
		t.Errorf("error %v, want the holder named", err)
	}
}
