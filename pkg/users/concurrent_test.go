package users

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// addEnv makes the test binary a process that adds one user: NAME, the file and
// the lock, each on a line. It starts when its standard input is closed.
const addEnv = "USERS_TEST_ADD"

// limitEnv is the largest file, in bytes, that such a process can write.
const limitEnv = "USERS_TEST_LIMIT"

func TestMain(m *testing.M) {
	if job := os.Getenv(addEnv); job != "" {
		os.Exit(addOne(strings.Split(job, "\n")))
	}
	os.Exit(m.Run())
}

func addOne(job []string) int {
	if text := os.Getenv(limitEnv); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil {
			signal.Ignore(syscall.SIGXFSZ) // the write fails with EFBIG instead
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	os.Stdin.Read(make([]byte, 1))
	if _, err := (Store{Path: job[1], LockPath: job[2]}).Add(context.Background(), job[0], hashN, DefaultRights()); err != nil {
		fmt.Fprintln(os.Stderr, job[0], err)
		return 1
	}
	return 0
}

// adder is a process that adds a user when told to go.
func adder(t *testing.T, s Store, name string) (start func(), wait func() error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), addEnv+"="+strings.Join([]string{name, s.Path, s.LockPath}, "\n"))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() { stdin.Close() }, cmd.Wait
}

const atOnce = 50

func TestAddsAtOnce(t *testing.T) {
	s := storeWith(t, "# kept\n")
	var group sync.WaitGroup
	gate := make(chan struct{})
	for i := range atOnce {
		group.Go(func() {
			<-gate
			if _, err := s.Add(context.Background(), fmt.Sprint("goroutine", i), hashN, DefaultRights()); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	group.Wait()
	checkAll(t, s, "goroutine")
}

func TestProcessesAddAtOnce(t *testing.T) {
	s := storeWith(t, "# kept\n")
	var starts []func()
	var waits []func() error
	for i := range atOnce {
		start, wait := adder(t, s, fmt.Sprint("process", i))
		starts, waits = append(starts, start), append(waits, wait)
	}
	for _, start := range starts {
		start()
	}
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	checkAll(t, s, "process")
}

// Of many who add one name, one does and the others are told.
func TestOneNameAddedAtOnce(t *testing.T) {
	s := testStore(t)
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			_, err := s.Add(context.Background(), "n", hashN, DefaultRights())
			results <- err
		}()
	}
	added := 0
	for range cap(results) {
		if err := <-results; err == nil {
			added++
		}
	}
	if added != 1 || s.content(t) != "n:"+hashN+"\n" {
		t.Errorf("added %d times: %q", added, s.content(t))
	}
}

func checkAll(t *testing.T, s Store, prefix string) {
	t.Helper()
	users, faults, err := s.List()
	if err != nil || len(faults) > 0 {
		t.Fatalf("List(): %v, %v", faults, err)
	}
	var got, want []string
	for _, u := range users {
		got = append(got, u.Name)
	}
	for i := range atOnce {
		want = append(want, fmt.Sprint(prefix, i))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d users are there: %v", len(got), len(want), got)
	}
	if !strings.HasPrefix(s.content(t), "# kept\n") {
		t.Error("the comment is lost")
	}
	rights, err := s.Rights()
	if err != nil {
		t.Fatal(err)
	}
	if have := slices.Sorted(maps.Keys(rights)); !slices.Equal(have, want) {
		t.Errorf("%d of %d users have rights: %v", len(have), len(want), have)
	}
}
