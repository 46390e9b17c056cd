package smoke_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/smoke"
)

// last returns the clean-up of a run.
func last(t *testing.T, res smoke.Result) smoke.Step {
	t.Helper()
	s := res.Steps[len(res.Steps)-1]
	if s.Name != smoke.StepCleanUp {
		t.Fatalf("the last step is %q", s.Name)
	}
	return s
}

// inTheMiddle stops the upload of the larger layer where half of it has come,
// and holds it until held is closed.
func inTheMiddle(reached chan<- struct{}, held <-chan struct{}) wrap {
	big := func(r *http.Request) bool { return r.Method == http.MethodPatch && r.ContentLength > 200<<10 }
	return when(big, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		close(reached)
		<-held
		panic(http.ErrAbortHandler)
	})
}

func TestCancelInTheMiddleOfAPush(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(http.ResponseWriter, *http.Request, http.Handler) // nil: aborted as asked
		left int
	}{
		{"aborted as asked", nil, 0},
		{"gone before", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&holdWriter{header: http.Header{}}, r)
			registryError(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		}, 0},
		{"as Distribution 2.8", code(http.StatusNotFound, "BLOB_UPLOAD_INVALID"), 1},
		{"as Distribution 3", code(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached, held := make(chan struct{}), make(chan struct{})
			faults := []wrap{inTheMiddle(reached, held)}
			if c.fail != nil {
				faults = append(faults, when(on("DELETE", "/uploads/"), c.fail))
			}
			f := newFront(t, faults...)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-reached
				cancel()
			}()
			res, err := smoke.Run(ctx, f.target(), nil)
			close(held)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			bad := failed(res.Steps)
			if len(bad) != 1 || bad[0].Name != smoke.StepPushImage || bad[0].Cause != smoke.CauseInterrupted {
				t.Fatalf("failed: %+v", bad)
			}
			clean := last(t, res)
			if len(f.contents()) != c.left || len(res.Leftovers) != c.left {
				t.Errorf("left in the registry: %q, told: %q", f.contents(), res.Leftovers)
			}
			if c.left > 0 && (!strings.Contains(res.Leftovers[0], "/blobs/uploads/") || !strings.Contains(clean.Detail, res.Leftovers[0])) {
				t.Errorf("clean up tells %q, leftovers %q", clean.Detail, res.Leftovers)
			}
		})
	}
}

func TestTimeOutOfAStep(t *testing.T) {
	reached, held := make(chan struct{}), make(chan struct{})
	f := newFront(t, inTheMiddle(reached, held))
	target := f.target()
	target.Timeout = 2 * time.Second
	res, err := smoke.Run(t.Context(), target, nil)
	close(held)
	bad := failed(res.Steps)
	if !errors.Is(err, context.DeadlineExceeded) || len(bad) != 1 || bad[0].Name != smoke.StepPushImage || bad[0].Cause != smoke.CauseTimeout {
		t.Fatalf("%v, %+v", err, bad)
	}
	if advice.Of(err) == "" {
		t.Error("no hint")
	}
	if left := f.contents(); len(left) != 0 {
		t.Errorf("left in the registry: %q", left)
	}
}

func TestCleanUpAfterAFailedPull(t *testing.T) {
	f := newFront(t, when(onBlob, answer(flipLast)))
	res, err := smoke.Run(t.Context(), f.target(), nil)
	var mismatch *smoke.MismatchError
	if !errors.As(err, &mismatch) || mismatch.GotSize != mismatch.WantSize || mismatch.GotDigest == mismatch.WantDigest {
		t.Errorf("the error is %v", err)
	}
	if clean := last(t, res); clean.Err != nil || !strings.HasPrefix(clean.Detail, "12 of 12 ") {
		t.Errorf("clean up: %+v", clean)
	}
	if left := f.contents(); len(left) != 0 {
		t.Errorf("left in the registry: %q", left)
	}
}

func TestCleanUpThatFails(t *testing.T) {
	f := newFront(t,
		when(onBlob, answer(flipLast)),
		when(on("DELETE", "/manifests/"), code(http.StatusMethodNotAllowed, "UNSUPPORTED")))
	res, err := smoke.Run(t.Context(), f.target(), nil)
	bad := failed(res.Steps)
	if len(bad) != 2 || bad[0].Name != smoke.StepPullImage || bad[1].Name != smoke.StepCleanUp || bad[1].Cause != smoke.CauseDeleteDisabled {
		t.Fatalf("failed: %+v", bad)
	}
	var mismatch *smoke.MismatchError
	var refused *smoke.StatusError
	if !errors.As(err, &mismatch) || !errors.As(err, &refused) || refused.Status != http.StatusMethodNotAllowed {
		t.Errorf("the error is %v", err)
	}
	// The blobs were deleted all the same; four manifests were not.
	if len(res.Leftovers) != 4 {
		t.Errorf("leftovers: %q", res.Leftovers)
	}
	for _, path := range res.Leftovers {
		if !strings.HasPrefix(path, "regctl/smoke/manifests/sha256:") {
			t.Errorf("leftover %q", path)
		}
	}
	if !strings.HasSuffix(bad[1].Detail, "; left behind: "+res.Leftovers[0]+" and 3 more") {
		t.Errorf("clean up tells %q", bad[1].Detail)
	}
	if advice.Of(err) != advice.Of(bad[0].Err) {
		t.Errorf("hint %q is not that of the first failure", advice.Of(err))
	}
}

// Once the registry is gone, the clean-up must not wait for each delete to fail.
func TestCleanUpWithoutARegistry(t *testing.T) {
	deletes := 0
	f := newFront(t, when(onBlob, cut), when(on("DELETE", "sha256:"), func(http.ResponseWriter, *http.Request, http.Handler) {
		deletes++
		panic(http.ErrAbortHandler)
	}))
	res, err := smoke.Run(t.Context(), f.target(), nil)
	if err == nil || len(res.Leftovers) != 12 {
		t.Errorf("%v, leftovers %q", err, res.Leftovers)
	}
	if clean := last(t, res); clean.Cause != smoke.CauseClosed {
		t.Errorf("clean up: %+v", clean)
	}
	// net/http sends a DELETE once more on a new connection when an old one
	// broke before any answer.
	if deletes < 1 || deletes > 2 {
		t.Errorf("%d deletes were tried", deletes)
	}
}

// A connection on which Nginx answered before an upload was over looks usable
// and is not: what is sent next is thrown away, and then it is closed.
func TestCleanUpOnNewConnections(t *testing.T) {
	f := newFront(t, when(on("PATCH", "/uploads/"), func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		conn, in, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		go func() {
			in.ReadByte()
			conn.Close()
		}()
	}))
	res, err := smoke.Run(t.Context(), f.target(), nil)
	if err == nil {
		t.Fatal("passed")
	}
	if clean := last(t, res); clean.Err != nil {
		t.Errorf("clean up: %v", clean.Err)
	}
	if left := f.contents(); len(left) != 0 {
		t.Errorf("left in the registry: %q", left)
	}
}
