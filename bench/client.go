package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// patience ends a connection that hangs.
const patience = 3 * time.Minute

// wireBuffer is what one system call carries at most. crypto/tls reads and writes
// a record of 16 KiB at a time; with this under it a GiB takes a few thousand
// system calls and not a hundred thousand, on cores that the servers need.
const wireBuffer = 256 << 10

// door is one way into a registry, as one user.
type door struct {
	ctx  context.Context
	dial func(context.Context) (net.Conn, error)
	tls  *tls.Config
	host string // of the Host header
	auth string // of the Authorization header; empty for none
}

// as is the same door for somebody with a password.
func (d door) as(user, password string) *door {
	d.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	return &d
}

// client is one kept-alive connection, HTTP/1.1 over TLS. It writes requests and
// reads answers itself where net/http would start two goroutines and pass each
// chunk between them.
type client struct {
	door *door
	tls  *tls.Conn
	wire *wire
	in   *bufio.Reader
	buf  []byte
	pace int64 // bytes a second of a body at most; 0 for as fast as it goes
	free func() bool
}

func (d *door) open() (*client, error) {
	conn, err := d.dial(d.ctx)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	free := context.AfterFunc(d.ctx, func() { conn.SetDeadline(time.Now()) }) // an interrupt ends what goes on
	w := &wire{Conn: conn, in: bufio.NewReaderSize(conn, wireBuffer), out: bufio.NewWriterSize(conn, wireBuffer)}
	c := &client{door: d, tls: tls.Client(w, d.tls), wire: w, free: free}
	c.in, c.buf = bufio.NewReaderSize(c.tls, 16<<10), make([]byte, 64<<10)
	if err := c.tls.Handshake(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) close() {
	c.free()
	c.wire.Conn.Close()
}

// wire buffers what TLS reads, and what it writes while corked.
type wire struct {
	net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	corked bool
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	if err == nil && !w.corked {
		err = w.out.Flush()
	}
	return n, err
}

func (w *wire) uncork() error {
	w.corked = false
	return w.out.Flush()
}

// answer is a response whose body has been read.
type answer struct {
	status int
	header http.Header
	length int64 // bytes of the body
}

// do sends a request and reads the whole answer. Another status than want is an
// error with the first of what the server said. A body is sent in chunks, as
// Docker sends layers, whose length it does not know beforehand.
func (c *client) do(method, path string, want int, body *content, headers ...string) (answer, error) {
	got, said, err := c.try(method, path, body, headers)
	if err == nil && got.status != want {
		err = fmt.Errorf("status %d, not %d: %.300s", got.status, want, said)
	}
	if err != nil {
		return got, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return got, nil
}

func (c *client) try(method, path string, body *content, headers []string) (answer, string, error) {
	c.wire.corked = true
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: regctl-bench\r\n", method, path, c.door.host)
	if c.door.auth != "" {
		head.WriteString("Authorization: " + c.door.auth + "\r\n")
	}
	for _, h := range headers {
		head.WriteString(h + "\r\n")
	}
	switch {
	case body != nil:
		head.WriteString("Transfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n")
	case method != http.MethodGet && method != http.MethodHead:
		head.WriteString("Content-Length: 0\r\n")
	}
	head.WriteString("\r\n")
	if _, err := io.WriteString(c.tls, head.String()); err != nil {
		return answer{}, "", err
	}
	if body != nil {
		if err := body.chunks(c.tls, c.pace); err != nil {
			return answer{}, "", err
		}
	}
	if err := c.wire.uncork(); err != nil {
		return answer{}, "", err
	}
	return c.read(method)
}

func (c *client) read(method string) (answer, string, error) {
	reply, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return answer{}, "", err
	}
	defer reply.Body.Close()
	got := answer{status: reply.StatusCode, header: reply.Header}
	said := ""
	began := time.Now()
	for {
		n, err := reply.Body.Read(c.buf)
		if got.length == 0 && got.status >= 300 {
			said = string(c.buf[:n])
		}
		got.length += int64(n)
		if err == io.EOF {
			return got, said, nil
		}
		if err != nil {
			return got, said, err
		}
		keepPace(began, got.length, c.pace)
	}
}

// keepPace waits until so many bytes may have gone through at a pace.
func keepPace(began time.Time, bytes, pace int64) {
	if pace == 0 {
		return
	}
	due := time.Duration(float64(bytes) / float64(pace) * float64(time.Second))
	// A sleep for every buffer would be a timer for every few microseconds.
	if early := due - time.Since(began); early > 5*time.Millisecond {
		time.Sleep(early)
	}
}

// pull fetches a blob from a registry and drops it.
func (c *client) pull(repository string, blob *content) error {
	return c.fetch("/v2/"+repository+"/blobs/"+blob.digest(), blob)
}

// fetch makes sure of the length alone: a sum would take more than the pull.
func (c *client) fetch(path string, blob *content) error {
	got, err := c.do(http.MethodGet, path, http.StatusOK, nil)
	if err == nil && got.length != blob.size {
		err = fmt.Errorf("GET %s: %d bytes, not %d", path, got.length, blob.size)
	}
	return err
}

// push uploads a blob as Docker does: POST, one PATCH, PUT.
func (c *client) push(repository string, blob *content) error {
	got, err := c.do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", http.StatusAccepted, nil)
	if err != nil {
		return err
	}
	at, err := location(got.header)
	if err != nil {
		return err
	}
	got, err = c.do(http.MethodPatch, at.RequestURI(), http.StatusAccepted, blob)
	if err != nil {
		return err
	}
	if at, err = location(got.header); err != nil {
		return err
	}
	_, err = c.do(http.MethodPut, finish(at, blob), http.StatusCreated, nil)
	return err
}
