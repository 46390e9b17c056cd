package certs

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// Each state that a kill can leave behind, made by running the steps up to it.
func TestInstallAfterAKill(t *testing.T) {
	old, next := goodPair(t, host), goodPair(t, host)
	tests := []struct {
		name string
		kill func(t *testing.T, s Store, files []file)
		live Pair // what is live right after it
	}{
		{"directory begun", func(t *testing.T, s Store, files []file) {
			if _, err := s.stage(host, files[:2]); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"inside the write of the key", func(t *testing.T, s Store, files []file) {
			tmp, err := s.stage(host, files[:3])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(tmp, durable.TempPrefix+"0123"), files[3].data[:20], 0o600); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"directory complete, not renamed", func(t *testing.T, s Store, files []file) {
			if _, err := s.stage(host, files); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"link not swapped", func(t *testing.T, s Store, files []file) {
			if _, err := s.archive(host, files); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"link made, not renamed", func(t *testing.T, s Store, files []file) {
			if _, err := s.archive(host, files); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../archive/"+host+"/2", filepath.Join(s.Dir, "live", durable.TempPrefix+"0123")); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"an old pair half removed", func(t *testing.T, s Store, _ []file) {
			if err := os.Mkdir(filepath.Join(s.archiveDir(host), durable.TempPrefix+"old-1"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, old},
		{"done", func(t *testing.T, s Store, _ []file) { mustInstall(t, s, host, next, true) }, next},
	}
	for _, tt := range tests {
		for _, again := range []struct {
			name string
			pair Pair
		}{{"the same", next}, {"the old", old}} {
			t.Run(tt.name+", then "+again.name, func(t *testing.T) {
				s := newStore(t)
				mustInstall(t, s, host, old, true)
				files, err := s.filesOf(host, next)
				if err != nil {
					t.Fatal(err)
				}
				tt.kill(t, s, files)
				live, _, err := s.Live(host)
				if err != nil || string(live.Key) != string(tt.live.Key) {
					t.Fatalf("the wrong pair is live (%v)", err)
				}
				mustInstall(t, s, host, again.pair, string(again.pair.Key) != string(tt.live.Key))
				live, _, err = s.Live(host)
				if err != nil || string(live.Key) != string(again.pair.Key) {
					t.Fatalf("the wrong pair is live at the end (%v)", err)
				}
				noTemp(t, s.Dir)
			})
		}
	}
}

// On a first install, too, there is either no pair or a whole one.
func TestFirstInstallAfterAKill(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	files, err := s.filesOf(host, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.archive(host, files); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Live(host); !errors.Is(err, ErrNone) {
		t.Fatalf("got %v", err)
	}
	mustInstall(t, s, host, p, true)
	if _, _, err := s.Live(host); err != nil {
		t.Fatal(err)
	}
}

func TestInstallTakesBackWhatItCouldNotFinish(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	mustInstall(t, s, host, p, true)
	before := tree(t, s.Dir)
	files, err := s.filesOf(host, goodPair(t, host))
	if err != nil {
		t.Fatal(err)
	}
	files[3].name = "no/such/" + keyFile // fails also for root
	if _, err := s.archive(host, files); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if after := tree(t, s.Dir); !slices.Equal(before, after) {
		t.Errorf("got %q, was %q", after, before)
	}
}

// killedDir, set in the environment, makes this test binary the process that
// TestKilledAtAnyInstant kills.
const killedDir = "REGCTL_TEST_KILLED_DIR"

// A process that installs without end is killed again and again; after each
// kill a whole pair is live and an Install succeeds and leaves nothing behind.
func TestKilledAtAnyInstant(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		installForEver(t, dir)
	}
	l := newLocalCA(t)
	dir := filepath.Dir(l.Store.Dir)
	kills := map[string]int{}
	for i := range 25 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyInstant$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "installed" { // it has begun its endless work
			t.Fatalf("the child said %q", lines.Text())
		}
		time.Sleep(time.Duration(i) * 300 * time.Microsecond) // any instant will do: each is a case
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
		}
		if cmd.Wait() == nil {
			t.Fatal("the child ended by itself")
		}
		if _, _, err := l.Store.Live("localhost"); err != nil {
			t.Errorf("after a kill: %v", err)
		}
		for _, p := range tree(t, l.Store.Dir) {
			if strings.Contains(p, "regctl-tmp") {
				kills["with left-overs"]++
				break
			}
		}
		plan, err := l.Ensure([]string{"localhost"}, now)
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		kills[plan.Why]++
		mustInstall(t, l.Store, "localhost", goodPair(t, "localhost"), true)
		noTemp(t, filepath.Join(l.Store.Dir, "archive"))
		noTemp(t, filepath.Join(l.Store.Dir, "live"))
	}
	t.Logf("found after the kills: %v", kills)
}

func installForEver(t *testing.T, dir string) {
	l := LocalCA{Store{filepath.Join(dir, "certs")}, filepath.Join(dir, "private")}
	for {
		p, err := l.PlanNew([]string{"localhost"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Apply(p); err != nil {
			t.Fatal(err)
		}
		fmt.Println("installed")
	}
}
