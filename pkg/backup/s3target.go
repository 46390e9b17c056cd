package backup

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/regctl/regctl/pkg/advice"
)

// partSize is of large uploads; the client buffers one where it does not know the
// size in advance.
const partSize = 16 << 20

// bucket is a target in S3-compatible storage. A PUT is atomic there, and lasts.
type bucket struct {
	client       *minio.Client
	name, prefix string
	part         int64 // size of parts
}

// openS3 opens bucket/prefix.
func openS3(rest string, a Access) (Target, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.Trim(prefix, "/")
	if prefix != "" {
		prefix += "/"
	}
	if name == "" || strings.Contains(prefix, "//") || strings.Contains("/"+prefix, "/../") || strings.Contains("/"+prefix, "/./") {
		return nil, fmt.Errorf("%w: s3://%s; s3://bucket/prefix", ErrTarget, rest)
	}
	if a.AccessKey == "" || a.SecretKey == "" {
		return nil, advice.With(fmt.Errorf("%w: no credentials for s3://%s", ErrAccess, rest),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or backup.credentials in regctl.yaml")
	}
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = "https://s3.amazonaws.com"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, fmt.Errorf("%w: the endpoint has to be http(s)://HOST[:PORT]", ErrTarget)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = 32
	dial, stall := transport.DialContext, stallMost
	if a.stall > 0 {
		stall = a.stall
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return stalling{c, stall}, nil
	}
	if a.Proxy != "" {
		proxy, err := url.Parse(a.Proxy)
		if err != nil {
			return nil, fmt.Errorf("%w: the proxy is no URL", ErrTarget) // which may hold a password
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	if len(a.CA) > 0 && u.Scheme == "https" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(a.CA) {
			return nil, fmt.Errorf("%w: the CA of the storage holds no certificate", ErrTarget)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(a.AccessKey, a.SecretKey, a.SessionToken),
		Secure:    u.Scheme == "https",
		Region:    a.Region,
		Transport: frank{transport},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	part := int64(partSize)
	if a.part > 0 {
		part = a.part
	}
	return &bucket{client, name, prefix, part}, nil
}

// frank tells the client of a certificate that nobody vouches for in the form that it
// knows: to ask ten times more does not help.
type frank struct{ http.RoundTripper }

func (f frank) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := f.RoundTripper.RoundTrip(r)
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		err = unknown
	}
	return answer, err
}

// ErrAccess is about credentials.
var ErrAccess = errors.New("access")

func (b *bucket) String() string { return "s3://" + strings.TrimSuffix(b.name+"/"+b.prefix, "/") }

func (b *bucket) Close() error { return nil }

// Flush has nothing to do.
func (b *bucket) Flush(context.Context) error { return nil }

// Put is of [Target]. Each request has a sum that the server compares; MD5 is the
// one that all servers know.
func (b *bucket) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if size > b.part {
		return b.putLarge(ctx, name, size, r)
	}
	start, err := io.ReadAll(io.LimitReader(r, partSize+1))
	if err != nil {
		return err
	}
	if len(start) <= partSize {
		if size >= 0 && int64(len(start)) != size {
			return fmt.Errorf("%s: %d bytes came of %d", name, len(start), size)
		}
		_, err := b.client.PutObject(ctx, b.name, b.prefix+name, bytes.NewReader(start), int64(len(start)),
			minio.PutObjectOptions{ContentType: contentType, SendContentMd5: true})
		return b.about(name, err)
	}
	// Encrypted, or a listing: never the same bytes again, so there is nothing to be
	// taken up. The client sends nothing but what Read gives: no shortcut to what is below.
	src := &noting{r: io.MultiReader(bytes.NewReader(start), r)}
	_, err = b.client.PutObject(ctx, b.name, b.prefix+name, src, -1, minio.PutObjectOptions{PartSize: partSize, ContentType: contentType, SendContentMd5: true})
	if src.err != nil {
		return src.err
	}
	return b.about(name, err)
}

// noting keeps the error of what is to be sent, which is none of the storage's.
type noting struct {
	r   io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return k, err
}

const contentType = "application/octet-stream"

// Open is of [Target].
func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.read(ctx, name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// List is of [Target].
func (b *bucket) List(ctx context.Context, prefix string, f func(Object) error) error {
	after, try := "", 0
	for {
		last, own, err := b.listAfter(ctx, prefix, after, f)
		if err == nil || own {
			return err
		}
		// A page whose answer broke off is asked for once more.
		if last != after {
			after, try = last, 0
		}
		err = b.about(prefix, err)
		if try++; try > retakes || !errors.Is(err, ErrUnreachable) {
			return err
		}
	}
}

// listAfter lists the objects after a key, and returns the last one that f got. own
// says that the error is f's.
func (b *bucket) listAfter(ctx context.Context, prefix, after string, f func(Object) error) (last string, own bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	last = after
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, StartAfter: after}) {
		if o.Err != nil {
			return last, false, o.Err
		}
		name, ok := strings.CutPrefix(o.Key, b.prefix)
		if !ok || strings.HasSuffix(name, "/") {
			continue
		}
		if err := f(Object{name, o.Size, o.LastModified}); err != nil {
			return last, true, err
		}
		last = o.Key
	}
	return last, true, ctx.Err()
}

// Remove is of [Target].
func (b *bucket) Remove(ctx context.Context, name string) error {
	err := b.about(name, b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep removes the parts of uploads that were killed.
func (b *bucket) Sweep(ctx context.Context) error {
	for u := range b.client.ListIncompleteUploads(ctx, b.name, b.prefix, true) {
		if u.Err != nil {
			// Not every server has this, and parts do no harm.
			return nil
		}
		if err := b.client.RemoveIncompleteUpload(ctx, b.name, u.Key); err != nil {
			return b.about(strings.TrimPrefix(u.Key, b.prefix), err)
		}
	}
	return nil
}

func (b *bucket) at(name string) string { return b.String() + "/" + name }

// about makes the errors of object storage those of files. What is no answer of
// the storage, or one that it has trouble of its own, says nothing about the object.
func (b *bucket) about(name string, err error) error {
	if err == nil {
		return nil
	}
	var res minio.ErrorResponse
	var unknown x509.UnknownAuthorityError
	at := b.at(name)
	switch answered := errors.As(err, &res); {
	case errors.Is(err, context.Canceled):
		return err
	case answered && res.Code == minio.NoSuchKey:
		return &fs.PathError{Op: "open", Path: at, Err: fs.ErrNotExist}
	case answered && res.Code == minio.NoSuchBucket:
		return advice.With(fmt.Errorf("%w: there is no bucket %s", ErrAccess, b.name), "regctl makes none: make it, private and with versions off")
	case answered && res.Code == "RequestTimeTooSkewed":
		return advice.With(fmt.Errorf("%w: %s: %w", ErrAccess, at, err), "the clock of this host is wrong, or that of the storage")
	case answered && (res.Code == minio.AccessDenied || res.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w: %s: %w: %w", ErrAccess, at, errDenied, err)
	case answered && res.StatusCode < 500 && res.StatusCode != 0:
		return fmt.Errorf("%s: %w", at, err)
	case errors.As(err, &unknown):
		return advice.With(fmt.Errorf("%w: %s: %w", ErrUnreachable, at, err), "if the storage has a CA of its own, name its certificate in backup.ca in regctl.yaml")
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, at, err)
}
