package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// web is a door for the standard library's client, as Docker and most others use
// it: where what counts is not speed but what they would see. It asks again when
// a server closes a connection between two requests, if that can do no harm.
type web struct {
	door *door
	http *http.Client
}

func (d *door) web() *web {
	return &web{d, &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dial(ctx) },
		TLSClientConfig: d.tls.Clone(),
		MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
	}}}
}

// do sends a request and copies the answer's body. Another status than want is an
// error with the first of what the server said.
func (w *web) do(method, path string, want int, body io.Reader, into io.Writer, headers ...string) (http.Header, error) {
	req, err := http.NewRequestWithContext(w.door.ctx, method, "https://"+w.door.host+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", w.door.auth)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	reply, err := w.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != want {
		said, _ := io.ReadAll(io.LimitReader(reply.Body, 300))
		return nil, fmt.Errorf("%s %s: status %d, not %d: %s", method, path, reply.StatusCode, want, said)
	}
	if _, err := io.Copy(into, reply.Body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return reply.Header, nil
}

// pull fetches a blob at a pace and drops it.
func (w *web) pull(blob *content, pace int64) error {
	sink := &paced{began: time.Now(), pace: pace}
	_, err := w.do(http.MethodGet, "/v2/"+repository+"/blobs/"+blob.digest(), http.StatusOK, nil, sink)
	if err == nil && sink.n != blob.size {
		err = fmt.Errorf("pull: %d bytes, not %d", sink.n, blob.size)
	}
	return err
}

// push uploads a blob at a pace, as [client.push] does.
func (w *web) push(blob *content, pace int64) error {
	header, err := w.do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", http.StatusAccepted, nil, io.Discard)
	if err != nil {
		return err
	}
	at, err := location(header)
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(blob.writeTo(&paced{to: out, began: time.Now(), pace: pace})) }()
	header, err = w.do(http.MethodPatch, at.RequestURI(), http.StatusAccepted, in, io.Discard, "Content-Type: application/octet-stream")
	in.Close() // ends the writer where the request ended early
	if err != nil {
		return err
	}
	if at, err = location(header); err != nil {
		return err
	}
	_, err = w.do(http.MethodPut, finish(at, blob), http.StatusCreated, nil, io.Discard)
	return err
}

// paced writes, or drops, no faster than a pace.
type paced struct {
	to    io.Writer // nil: nowhere
	began time.Time
	pace  int64 // bytes a second
	n     int64
}

func (p *paced) Write(b []byte) (int, error) {
	n := len(b)
	var err error
	if p.to != nil {
		n, err = p.to.Write(b)
	}
	p.n += int64(n)
	keepPace(p.began, p.n, p.pace)
	return n, err
}

// location is where an upload goes on, on whatever host the registry believes
// to be.
func location(header http.Header) (*url.URL, error) {
	at, err := url.Parse(header.Get("Location"))
	if err == nil && at.Path == "" {
		err = fmt.Errorf("no Location in an answer to an upload")
	}
	return at, err
}

// finish is the path and query that end an upload.
func finish(at *url.URL, blob *content) string {
	query := at.Query()
	query.Set("digest", blob.digest())
	at.RawQuery = query.Encode()
	return at.RequestURI()
}
