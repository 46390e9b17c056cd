package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// holds, in the environment, makes the test program a process that takes this
// lock, says so, and keeps it until its standard input ends.
const holds = "REGCTL_TEST_HOLDS"

func TestMain(m *testing.M) {
	path := os.Getenv(holds)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := Acquire(context.Background(), path, "regctl elsewhere", 0); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// A lock ends with its holder, however that ends: nothing is left to break by
// hand.
func TestKilledHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), holds+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // stays open as long as this process lives
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q (%v)", line, err)
	}
	_, err = Acquire(t.Context(), path, "regctl test", 0)
	var held *HeldError
	if !errors.As(err, &held) || held.Holder.PID != cmd.Process.Pid || held.Holder.Command != "regctl elsewhere" {
		t.Errorf("error %v, want that process %d holds it", err, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // says that it was killed
	release(t, acquire(t, path))
}
