package users

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How long the answer takes must not tell whether a user exists.
func TestUnknownUserTakesAsLong(t *testing.T) {
	hash, err := Hash([]byte("secret"), 7)
	if err != nil {
		t.Fatal(err)
	}
	s := storeWith(t, "a:"+hash+"\nb:"+hash+"\nc:"+mustHash(t, "x")+"\n")
	// The time of this thread alone: the clock on the wall counts what else
	// the machine does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fastest := map[string]time.Duration{"a": time.Hour, "nobody": time.Hour}
	for range 10 {
		for name, best := range fastest {
			start := threadTime(t)
			if ok, err := s.Verify(name, []byte("wrong")); ok || err != nil {
				t.Fatal(ok, err)
			}
			fastest[name] = min(best, threadTime(t)-start)
		}
	}
	// A cost one off would be twice or half, none at all a hundredth.
	if ratio := float64(fastest["nobody"]) / float64(fastest["a"]); ratio < 0.6 || ratio > 1.7 {
		t.Errorf("known user %v, unknown user %v", fastest["a"], fastest["nobody"])
	}
}

// threadTime is what the calling thread has computed so far.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
