package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// questions are the calls that each ask the engine one thing.
func questions(c *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Containers": func(ctx context.Context) error { _, err := c.Containers(ctx, "p"); return err },
		"Publishing": func(ctx context.Context) error { _, err := c.Publishing(ctx, 443); return err },
		"Inspect":    func(ctx context.Context) error { _, err := c.Inspect(ctx, Container{ID: "x"}); return err },
		"LastLines":  func(ctx context.Context) error { _, err := c.LastLines(ctx, "x", "5"); return err },
		"Volume":     func(ctx context.Context) error { _, err := c.VolumeExists(ctx, "v"); return err },
		"ImageID":    func(ctx context.Context) error { _, err := c.ImageID(ctx, "nginx"); return err },
	}
}

func TestEngineErrors(t *testing.T) {
	startFake(t, "1.41", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "disk is full") })
	c := connected(t)
	for name, ask := range questions(c) {
		err := ask(t.Context())
		if err == nil || !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("%s: error %v, want the engine's own words", name, err)
		}
		if errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: an engine that answers counts as not available", name)
		}
	}
}

func TestEngineHangsLater(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	startFake(t, "1.41", hang(over))
	c := connected(t)
	for name, ask := range questions(c) {
		c.query = 50 * time.Millisecond
		began := time.Now()
		if err := ask(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not answer within 50ms") {
			t.Errorf("%s: error %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		// What the caller's own bound ends says nothing about the engine.
		c.query = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s with a bound of the caller: error %v", name, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s interrupted: error %v", name, err)
		}
	}
}

// The daemon may be stopped between two questions.
func TestEngineGoesAway(t *testing.T) {
	f := startFake(t, "1.41", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	c := connected(t)
	for name, ask := range questions(c) {
		if err := ask(t.Context()); err == nil {
			t.Errorf("%s: no error from a connection that was cut", name)
		}
	}
	if err := os.Remove(f.socket); err != nil {
		t.Fatal(err)
	}
	c.api.HTTPClient().CloseIdleConnections()
	for name, ask := range questions(c) {
		if err := ask(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "there is no socket at "+f.socket) || advice.Of(err) == "" {
			t.Errorf("%s: error %v, hint %q", name, err, advice.Of(err))
		}
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	startFake(t, "1.41", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "No such image: x") })
	id, err := connected(t).ImageID(t.Context(), "x")
	if id != "" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestPull(t *testing.T) {
	line := func(v map[string]any) string { b, _ := json.Marshal(v); return string(b) + "\r\n" }
	status := line(map[string]any{"status": "Pulling from library/nginx"})
	tests := map[string]struct {
		handle http.HandlerFunc
		says   string // "" for success
	}{
		"done": {handle: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, status) }},
		"refused": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "pull access denied for nginx") },
			"pull access denied for nginx"},
		"refused on the way": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, status+line(map[string]any{"errorDetail": map[string]any{"message": "no space"}, "error": "no space"}))
		}, "no space"},
		"cut off":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, status+`{"status": "Down`) }, "unexpected EOF"},
		"nonsense": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "invalid character"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			startFake(t, "1.41", tt.handle)
			var told []string
			err := connected(t).Pull(t.Context(), "nginx:1", func(l string) { told = append(told, l) })
			if tt.says == "" {
				if err != nil || !slices.Equal(told, []string{"Pulling from library/nginx"}) {
					t.Errorf("told %q, error %v", told, err)
				}
				return
			}
			if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "nginx:1") {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if !strings.HasPrefix(advice.Of(err), "docker pull nginx:1;") {
				t.Errorf("hint %q", advice.Of(err))
			}
		})
	}
}

func TestPullInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	startFake(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"status":"Downloading"}`)
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	err := connected(t).Pull(ctx, "nginx", func(string) {})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrImage) {
		t.Errorf("error %v", err)
	}
}

func TestListing(t *testing.T) {
	startFake(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("filters"); !strings.Contains(got, "com.docker.compose.project=p") || !strings.Contains(got, "com.docker.compose.oneoff=False") {
			t.Errorf("asked for %s", got)
		}
		fmt.Fprint(w, `[{"Id":"1","Names":["/p-nginx-1"],"Image":"nginx","State":"running",
			"Labels":{"com.docker.compose.project":"p","com.docker.compose.service":"nginx","com.docker.compose.project.working_dir":"/d"},
			"Ports":[{"PrivatePort":443,"PublicPort":8443,"Type":"tcp"},{"PrivatePort":53,"PublicPort":53,"Type":"udp"},{"PrivatePort":80,"Type":"tcp"}]},
			{"Id":"2","Names":[],"State":"exited","Labels":null,"Ports":null}]`)
	})
	got, err := connected(t).Containers(t.Context(), "p")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	a, b := got[0], got[1]
	if a.Name != "p-nginx-1" || a.Service != "nginx" || a.WorkingDir != "/d" || !a.Running() || !slices.Equal(a.Published, []uint16{8443}) {
		t.Errorf("got %+v", a)
	}
	if b.Name != "" || b.Running() || b.Service != "" || b.Published != nil {
		t.Errorf("got %+v", b)
	}
}
