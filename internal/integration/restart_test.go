//go:build integration

package integration

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// upload is an upload session, driven by hand.
type upload struct {
	d        *deployment
	client   *http.Client
	repo     string
	location string // absolute
}

// beginUpload opens a session.
func (d *deployment) beginUpload(t *testing.T, repo string) *upload {
	t.Helper()
	u := &upload{d: d, client: d.client(t), repo: repo}
	got := d.do(t, u.client, d.request(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil))
	if got.StatusCode != http.StatusAccepted {
		t.Fatalf("POST: %s %s", got.Status, got.body)
	}
	u.follow(t, got)
	return u
}

// follow takes the session's next address from an answer.
func (u *upload) follow(t *testing.T, a answer) {
	t.Helper()
	next, err := a.Location()
	if err != nil {
		t.Fatalf("%s without a Location: %v", a.Status, err)
	}
	u.location = next.String()
}

// patch sends a part of the blob, of a length not told before. body is a pipe:
// when the answer comes too soon, it is closed, and the writer told.
func (u *upload) patch(t *testing.T, body *io.PipeReader) (answer, error) {
	t.Helper()
	req := u.d.request(t, http.MethodPatch, u.location, body)
	req.Header.Set("Content-Type", "application/octet-stream")
	return send(u.client, req)
}

// finish ends the session and reads the blob back.
func (u *upload) finish(t *testing.T, content []byte) {
	t.Helper()
	digest := sum(content)
	last, err := url.Parse(u.location)
	if err != nil {
		t.Fatal(err)
	}
	query := last.Query()
	query.Set("digest", digest)
	last.RawQuery = query.Encode()
	if got := u.d.do(t, u.client, u.d.request(t, http.MethodPut, last.String(), nil)); got.StatusCode != http.StatusCreated {
		t.Fatalf("PUT: %s %s", got.Status, got.body)
	}
	got := u.d.get(t, "/v2/"+u.repo+"/blobs/"+digest)
	if got.StatusCode != http.StatusOK || sum([]byte(got.body)) != digest {
		t.Errorf("GET of the blob: %s, %d bytes that hash to %s, want %s", got.Status, len(got.body), sum([]byte(got.body)), digest)
	}
}

// slowPart is how long a part of an upload goes on after the restart was asked
// for: longer than Compose's own patience, 10 s, so that only stop_grace_period
// can have let it end.
const slowPart = 13 * time.Second

// TestUploadOutlivesRestart restarts the stack under two uploads: one that is
// being sent at that moment, and one that lies between two parts.
func TestUploadOutlivesRestart(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			before := d.running(t)

			resting := d.beginUpload(t, "restart/resting")
			first, second := []byte("sent before the restart, "), []byte("sent after it")
			got, err := resting.patch(t, readerOf(first))
			if err != nil || got.StatusCode != http.StatusAccepted {
				t.Fatalf("PATCH before the restart: %v %v", got, err)
			}
			resting.follow(t, got)

			flowing := d.beginUpload(t, "restart/flowing")
			body, feed := io.Pipe()
			type outcome struct {
				answer
				err error
			}
			done := make(chan outcome, 1)
			go func() {
				a, err := flowing.patch(t, body)
				done <- outcome{a, err}
			}()
			var sent []byte
			write := func() {
				line := fmt.Appendf(nil, "what was sent after %d bytes\n", len(sent))
				sent = append(sent, line...)
				if _, err := feed.Write(line); err != nil {
					t.Errorf("the upload broke off after %d bytes: %v", len(sent), err)
				}
			}
			write()
			d.uploadArrives(t, flowing.repo)

			restart := d.start(t, "", "restart", "--json")
			for began := time.Now(); time.Since(began) < slowPart && !t.Failed(); time.Sleep(200 * time.Millisecond) {
				write()
				if restart.ended() {
					t.Errorf("restart was over while an upload was under way: %v", restart.wait(t))
					break
				}
			}
			feed.Close()
			ended := <-done
			if ended.err != nil || ended.StatusCode != http.StatusAccepted {
				t.Fatalf("the PATCH that was under way: %v, %v", ended.answer, ended.err)
			}
			flowing.follow(t, ended.answer)

			r := restart.wait(t)
			r.want(t, 0)
			t.Logf("restart under an upload of %v: %v", slowPart, r.took.Round(time.Millisecond))
			for service, was := range before {
				if now := d.running(t)[service]; now == was {
					t.Errorf("%s was not restarted: %s", service, now)
				}
			}
			flowing.finish(t, sent)

			got, err = resting.patch(t, readerOf(second))
			if err != nil || got.StatusCode != http.StatusAccepted {
				t.Fatalf("PATCH after the restart: %v %v", got, err)
			}
			resting.follow(t, got)
			resting.finish(t, append(first, second...))
		})
	}
}

// TestIdleConnection restarts under a connection that was opened and never used,
// as browsers and HTTP libraries keep some ready. Nginx closes those that have
// had a request, and waits for the first request of those that have not: no
// longer than client_header_timeout.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	conn, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: d.roots(t), ServerName: d.domain})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if r := d.must(t, "restart"); r.took > 25*time.Second {
		t.Errorf("one connection that did nothing held the stack down for %v", r.took)
	}
}

// uploadArrives waits until the registry has begun to write an upload: only
// then is the request in flight there.
func (d *deployment) uploadArrives(t *testing.T, repo string) {
	t.Helper()
	dir := "/var/lib/registry/docker/registry/v2/repositories/" + repo + "/_uploads"
	eventually(t, 10*time.Second, "the upload arrives at the registry", func() bool {
		return d.exec(t, "registry", "sh", "-c", "find "+dir+" -name data | grep -q .").status == 0
	})
}

// readerOf hides the length of a content, so that it is sent in chunks.
func readerOf(content []byte) *io.PipeReader {
	r, w := io.Pipe()
	go func() {
		w.Write(content)
		w.Close()
	}()
	return r
}
