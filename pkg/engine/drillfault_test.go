package engine

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A volume that a container uses which is only just coming to be is tried again;
// everything else that fails is told at once.
func TestDrillIsSwept(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		fails  int // how often
		tries  int
		says   string
	}{
		"at once": {0, 0, 1, ""}, "in use": {409, 2, 3, ""}, "gone": {404, 9, 1, ""}, "broken": {500, 9, 1, "volume p_drill-x: "},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			f := startFake(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/containers/json"):
					io.WriteString(w, `[{"Id":"old","Created":1}]`)
				case strings.HasSuffix(r.URL.Path, "/volumes"):
					if !strings.Contains(r.URL.RawQuery, "io.regctl.drill%3Dp") {
						t.Errorf("asked for %s", r.URL.RawQuery)
					}
					io.WriteString(w, `{"Volumes":[{"Name":"p_drill-x"}]}`)
				case strings.HasSuffix(r.URL.Path, "/volumes/p_drill-x"):
					if tries++; tries <= c.fails {
						refuse(w, c.status, "volume is in use")
						return
					}
					w.WriteHeader(204)
				default:
					w.WriteHeader(204)
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			client := connected(t)
			cancel() // it is removed all the same
			err := client.SweepDrill(ctx, "p")
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v", err)
			}
			if tries != c.tries || f.count("DELETE /v1.41/containers/old") != c.tries {
				t.Errorf("tried %d times, want %d: %q", tries, c.tries, f.called())
			}
		})
	}
}

// The volume of a drill that is given up is made, and known by name, so that it is
// removed.
func TestDrillVolumeIsMadeToTheEnd(t *testing.T) {
	f := startFake(t, "1.41", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		io.WriteString(w, `{}`)
	})
	ctx, cancel := context.WithCancel(t.Context())
	client := connected(t)
	cancel()
	name, err := client.MakeDrillVolume(ctx, "p")
	if err != nil || !strings.HasPrefix(name, "p_drill-") || f.count("/volumes/create") != 1 {
		t.Errorf("%q, %v, %q", name, err, f.called())
	}
}
