package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// onceEngine is an engine for one-off containers: each step is answered by a
// handler, or as one that succeeds.
func onceEngine(t *testing.T, steps map[string]http.HandlerFunc) *fake {
	t.Helper()
	return startFake(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		for part, h := range steps {
			if strings.Contains(r.Method+" "+r.URL.Path, part) {
				h(w, r)
				return
			}
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			io.WriteString(w, "[]")
		case strings.HasSuffix(r.URL.Path, "/create"):
			w.WriteHeader(201)
			io.WriteString(w, `{"Id":"new"}`)
		case strings.HasSuffix(r.URL.Path, "/start"), r.Method == http.MethodDelete:
			w.WriteHeader(204)
		case strings.HasSuffix(r.URL.Path, "/wait"):
			io.WriteString(w, `{"StatusCode":0}`)
		}
	})
}

var once = Once{Project: "p", Image: "nginx", Command: []string{"nginx", "-t"}}

const removesNew = "DELETE /v1.41/containers/new"

// Whatever step fails, what was made is removed.
func TestOnceIsRemoved(t *testing.T) {
	fails := func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "broken") }
	for name, tt := range map[string]struct {
		part    string
		removed int
	}{
		"list": {"GET /v1.41/containers/json", 0}, "create": {"/create", 0},
		"start": {"/start", 1}, "wait": {"/wait", 1}, "logs": {"/logs", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := onceEngine(t, map[string]http.HandlerFunc{tt.part: fails})
			if _, _, err := connected(t).RunOnce(t.Context(), once); err == nil || !strings.Contains(err.Error(), "broken") {
				t.Errorf("error %v", err)
			}
			if got := f.count(removesNew); got != tt.removed {
				t.Errorf("removed %d times, want %d: %q", got, tt.removed, f.called())
			}
		})
	}
	t.Run("nothing fails", func(t *testing.T) {
		f := onceEngine(t, map[string]http.HandlerFunc{"/wait": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"StatusCode":7}`) }})
		status, _, err := connected(t).RunOnce(t.Context(), once)
		if status != 7 || err != nil || f.count(removesNew) != 1 {
			t.Errorf("status %d, error %v, calls %q", status, err, f.called())
		}
	})
}

// Ctrl-C or a bound while it runs: it is stopped and removed all the same.
func TestOnceInterrupted(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	started := make(chan struct{})
	f := onceEngine(t, map[string]http.HandlerFunc{
		"/wait": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // as the engine does, to say that it is waiting
			hang(over)(w, r)
		},
		"/start": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); close(started) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	if _, _, err := connected(t).RunOnce(ctx, once); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if f.count(removesNew) != 1 {
		t.Errorf("not removed: %q", f.called())
	}
}

// What a killed run left is swept, also when it still runs: the deployment's lock
// keeps a second run away.
func TestOnceSweeps(t *testing.T) {
	f := onceEngine(t, map[string]http.HandlerFunc{"/containers/json": func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("filters"); !strings.Contains(got, "io.regctl.once=p") {
			t.Errorf("asked for %s", got)
		}
		now := time.Now().Unix()
		fmt.Fprintf(w, `[{"Id":"ended","State":"exited","Created":%d},{"Id":"created","State":"created","Created":%d},
			{"Id":"busy","State":"running","Created":%d},{"Id":"ancient","State":"running","Created":%d}]`,
			now, now-60, now-60, now-7200)
	}})
	if _, _, err := connected(t).RunOnce(t.Context(), once); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"ended": 1, "created": 1, "ancient": 1, "busy": 1, "new": 1} {
		if got := f.count("DELETE /v1.41/containers/" + id); got != want {
			t.Errorf("%s was removed %d times, want %d", id, got, want)
		}
	}
}

// A command in a container can write nothing and never end.
func TestExecIsBounded(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	startFake(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/containers/x/exec") {
			w.WriteHeader(201)
			io.WriteString(w, `{"Id":"e"}`)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		rw.Flush()
		<-over
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, _, err := connected(t).Exec(ctx, "x", "sleep", "inf"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
