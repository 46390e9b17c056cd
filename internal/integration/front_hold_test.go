//go:build integration

package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/hold"
)

// heldWrite is a request that is under way.
type heldWrite struct {
	name string
	want int
	done chan struct{}
	a    answer
	err  error
	at   time.Time // of the answer
}

// begin sends a request and does not wait for its answer.
func (f *front) begin(t *testing.T, want int, who person, method, path, body string, headers ...header) *heldWrite {
	w := &heldWrite{name: method + " " + path, want: want, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.a, w.err = f.tryAsk(t, who, method, path, body, headers...)
		w.at = time.Now()
	}()
	return w
}

// end waits for the answer.
func (w *heldWrite) end(t *testing.T) {
	t.Helper()
	<-w.done
	if w.err != nil {
		t.Fatalf("%s: %v", w.name, w.err)
	}
	if w.a.StatusCode != w.want {
		t.Errorf("%s: %s %s, want %d", w.name, w.a.Status, w.a.body, w.want)
	}
}

func (w *heldWrite) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// heldFor is how long a hold is in force in these tests: time enough for a
// request that is not held to be answered.
const heldFor = 400 * time.Millisecond

// testHold holds writes as a garbage collection does: what changes what is
// referenced waits, the rest does not notice.
func testHold(t *testing.T, f *front, people map[string]person) {
	root := f.volume(t, "registry-data")
	s := f.seedRepository(t, "team/held")
	bound := f.seedRepository(t, "release/held")
	gone := f.another(s)
	f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, "/v2/team/held/manifests/gone", gone, ociType)
	blob := f.pushBlob(t, "team/held", "a blob to delete")
	cancelled := f.session(t, f.boss(), "team/held")

	h, err := hold.Take(root, "a test of the front door")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release() // should the test end before it does
	boss := f.boss()
	deletesTag := http.StatusAccepted
	if f.opts.registry == imageRegistry2 {
		deletesTag = http.StatusBadRequest // by digest alone
	}
	held := []*heldWrite{
		f.begin(t, 201, boss, http.MethodPut, "/v2/team/held/manifests/new", f.another(s), ociType),
		f.begin(t, 201, people["dev"], http.MethodPut, "/v2/team/held/manifests/"+s.digest, s.manifest, ociType),
		f.begin(t, 403, boss, http.MethodPut, "/v2/release/held/manifests/v1", f.another(bound), ociType),
		f.begin(t, 202, boss, http.MethodDelete, "/v2/team/held/manifests/"+sum([]byte(gone)), ""),
		f.begin(t, deletesTag, boss, http.MethodDelete, "/v2/team/held/manifests/v1", ""),
		f.begin(t, 202, people["remover"], http.MethodDelete, "/v2/team/held/blobs/"+blob, ""),
		f.begin(t, 204, boss, http.MethodDelete, cancelled, ""),
	}
	began := time.Now()
	// Reads, uploads and refusals go on meanwhile, as often as there is time.
	for rounds := 0; time.Since(began) < heldFor || rounds == 0; rounds++ {
		f.expect(t, 200, boss, http.MethodGet, "/v2/", "")
		f.expect(t, 200, people["dev"], http.MethodGet, "/v2/team/held/manifests/"+s.digest, "", header{"Accept", ociManifest})
		f.expect(t, 200, people["dev"], http.MethodGet, "/v2/team/held/blobs/"+s.layer, "")
		f.expect(t, 200, people["dev"], http.MethodGet, "/v2/team/held/tags/list", "")
		at := f.session(t, people["dev"], "team/held")
		at = f.expect(t, 202, people["dev"], http.MethodPatch, at, "part").Header.Get("Location")
		f.expect(t, 201, people["dev"], http.MethodPut, at+"&digest="+sum([]byte("part")), "")
		f.expect(t, 201, people["dev"], http.MethodPost, "/v2/team/other/blobs/uploads/?from=team/held&mount="+s.layer, "")
		f.expect(t, 403, people["reader"], http.MethodPut, "/v2/team/held/manifests/new", s.manifest, ociType)
		f.expect(t, 401, person{}, http.MethodDelete, "/v2/team/held/manifests/v1", "")
	}
	for _, w := range held {
		if w.over() {
			t.Errorf("%s was not held: %s", w.name, w.a.Status)
		}
	}
	if got := f.ask(t, boss, http.MethodHead, "/v2/team/held/manifests/new", "", header{"Accept", ociManifest}); got.StatusCode != http.StatusNotFound {
		t.Errorf("a push that is held shows: %s", got.Status)
	}
	release := time.Now()
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	var last time.Duration
	for _, w := range held {
		w.end(t)
		last = max(last, w.at.Sub(release))
	}
	t.Logf("%d writes held, the last one done %v after the release", len(held), last.Round(time.Millisecond))
	if last > time.Second {
		t.Errorf("the last one was done %v after the release", last)
	}
	f.expect(t, 200, boss, http.MethodHead, "/v2/team/held/manifests/new", "", header{"Accept", ociManifest})
}

// testHoldAsItComes: what counts is the moment at which a write is there whole,
// not that at which a slow client began it; and who loses a right while a write
// of its is held has lost it.
func testHoldAsItComes(t *testing.T, f *front) {
	s := f.seedRepository(t, "team/slow")
	p := f.addUser(t, "held-back", "--push", "team/**")
	m, other := f.another(s), f.another(s)
	body, rest := io.Pipe()
	slow := make(chan *heldWrite, 1)
	go func() {
		w := &heldWrite{name: "a slow push", want: http.StatusCreated, done: make(chan struct{})}
		slow <- w
		defer close(w.done)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url("/v2/team/slow/manifests/slow"), body)
		if err != nil {
			w.err = err
			return
		}
		req.SetBasicAuth(f.user, f.password)
		req.Header.Set("Content-Type", ociManifest)
		w.a, w.err = send(f.http, req)
	}()
	if _, err := io.WriteString(rest, m[:20]); err != nil {
		t.Fatal(err)
	}
	// It has been judged once another request of that user has.
	f.expect(t, http.StatusOK, f.boss(), http.MethodGet, "/v2/", "")
	h, err := hold.Take(f.volume(t, "registry-data"), "a test of the front door")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if _, err := io.WriteString(rest, m[20:]); err != nil {
		t.Fatal(err)
	}
	rest.Close()
	revoked := f.begin(t, http.StatusForbidden, p, http.MethodPut, "/v2/team/slow/manifests/revoked", other, ociType)
	// As long as other requests take: nothing announces that one is held.
	for began := time.Now(); time.Since(began) < heldFor; {
		f.expect(t, http.StatusOK, f.boss(), http.MethodGet, "/v2/team/slow/tags/list", "")
	}
	f.must(t, "user", "revoke", p.name, "--push", "team/**")
	w := <-slow
	if w.over() || revoked.over() {
		t.Errorf("held: the slow push %v, the other one %v", !w.over(), !revoked.over())
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	w.end(t)
	revoked.end(t)
	f.expect(t, http.StatusNotFound, f.boss(), http.MethodHead, "/v2/team/slow/manifests/revoked", "", header{"Accept", ociManifest})
}

// testHoldAge: a hold that nobody renews is none after a minute.
func testHoldAge(t *testing.T, f *front) {
	s := f.seedRepository(t, "team/aged")
	file := filepath.Join(f.volume(t, "registry-data"), hold.Path)
	put := func() *heldWrite {
		return f.begin(t, http.StatusCreated, f.boss(), http.MethodPut, fmt.Sprint("/v2/team/aged/manifests/t", f.counter.Add(1)), f.another(s), ociType)
	}
	writeFile(t, file, "left by somebody who died\n", 0o644)
	defer os.Remove(file)
	old := time.Now().Add(-hold.MaxAge - time.Second)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	put().end(t)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a hold that is over held a push for %v", took)
	}
	// One that will be over in two seconds ends by itself.
	left := 2 * time.Second
	then := time.Now().Add(left - hold.MaxAge)
	if err := os.Chtimes(file, then, then); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	w := put()
	w.end(t)
	if took := w.at.Sub(began); took < left-200*time.Millisecond || took > left+3*time.Second {
		t.Errorf("a hold with %v left held a push for %v", left, took)
	}
}
