package fsck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry is another registry: a mirror, or where images came from. A repository
// has the same name there, below the path of the URL.
type Registry struct {
	host, prefix string
	plain        bool
	options      []remote.Option
	stall        time.Duration
}

// stallMost is how long a blob may come without a byte.
const stallMost = 2 * time.Minute

// OpenRegistry takes https://host[:port][/prefix]. http is for this very machine
// alone. The user is whom `docker login` remembers for the host: a URL with a
// password in it is refused, since others can read command lines.
func OpenRegistry(address string) (*Registry, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("not a registry's URL, want https://host[:port][/prefix]") // without quoting it: it may hold a password
	case u.User != nil:
		return nil, errors.New("a password in a URL can be read by others: use docker login instead")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%s: http is for this machine alone, use https", u.Host)
	}
	r := &Registry{host: u.Host, prefix: strings.Trim(u.Path, "/"), plain: u.Scheme == "http", stall: stallMost}
	if _, err := r.repository("probe"); err != nil {
		return nil, err
	}
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.ResponseHeaderTimeout = time.Minute
	r.options = []remote.Option{remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(wire), remote.WithUserAgent("regctl-fsck")}
	return r, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// String is its address.
func (r *Registry) String() string {
	scheme := "https://"
	if r.plain {
		scheme = "http://"
	}
	return strings.TrimSuffix(scheme+r.host+"/"+r.prefix, "/")
}

func (r *Registry) repository(repo string) (name.Repository, error) {
	options := []name.Option{name.StrictValidation}
	if r.plain {
		options = append(options, name.Insecure)
	}
	path := strings.TrimPrefix(r.prefix+"/"+repo, "/")
	return name.NewRepository(r.host+"/"+path, options...)
}

// Open is [Source]. It asks each repository that needs the blob.
func (r *Registry) Open(ctx context.Context, w Want) (io.ReadCloser, error) {
	err := error(fs.ErrNotExist)
	for _, repo := range w.Repositories {
		at, nameErr := r.repository(repo)
		if nameErr != nil {
			err = nameErr
			continue
		}
		ref := at.Digest(w.Digest.String())
		var body io.ReadCloser
		if w.Manifest {
			body, err = r.manifest(ctx, ref)
		} else {
			body, err = r.blob(ctx, ref)
		}
		if err == nil || ctx.Err() != nil {
			return body, err
		}
	}
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return nil, err
}

func (r *Registry) manifest(ctx context.Context, ref name.Digest) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.stall, r.stalled())
	defer cancel()
	d, err := remote.Get(ref, append(r.options, remote.WithContext(ctx))...)
	if err != nil {
		return nil, why(ctx, err)
	}
	return io.NopCloser(bytes.NewReader(d.Manifest)), nil
}

func (r *Registry) stalled() error { return fmt.Errorf("%s: nothing came for %s", r.host, r.stall) }

func (r *Registry) blob(ctx context.Context, ref name.Digest) (io.ReadCloser, error) {
	ctx, give := context.WithCancelCause(ctx)
	body := &impatient{ctx: ctx, give: give, most: r.stall}
	body.timer = time.AfterFunc(r.stall, func() { give(r.stalled()) })
	layer, err := remote.Layer(ref, append(r.options, remote.WithContext(ctx))...)
	if err == nil {
		body.ReadCloser, err = layer.Compressed()
	}
	if err != nil {
		err = why(ctx, err)
		body.end()
		return nil, err
	}
	return body, nil
}

// impatient ends a request of which nothing comes any more: the next source may
// have the blob.
type impatient struct {
	io.ReadCloser
	ctx   context.Context // of the request
	give  context.CancelCauseFunc
	timer *time.Timer
	most  time.Duration
}

func (b *impatient) Read(p []byte) (int, error) {
	b.timer.Reset(b.most)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop() // what the reader does in between is its own affair
	if err != nil && err != io.EOF {
		err = why(b.ctx, err)
	}
	return n, err
}

// why is the error that a person can use: not that a request was cancelled, but
// what for.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func (b *impatient) end() {
	b.timer.Stop()
	b.give(nil)
}

// Close ends the request.
func (b *impatient) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
