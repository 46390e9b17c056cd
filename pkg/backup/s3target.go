package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	client, err := minio.New(u.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(a.AccessKey, a.SecretKey, a.SessionToken),
		Secure:    u.Scheme == "https",
		Region:    a.Region,
		Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	return &bucket{client, name, prefix}, nil
}

// ErrAccess is about credentials.
var ErrAccess = errors.New("access")

func (b *bucket) String() string { return "s3://" + strings.TrimSuffix(b.name+"/"+b.prefix, "/") }

func (b *bucket) Close() error { return nil }

// Flush has nothing to do.
func (b *bucket) Flush(context.Context) error { return nil }

// Put is of [Target]. Small objects go in one request with a sum that the server
// compares; MD5 is the one that all servers know. Parts of large ones are guarded by
// TLS, and by the digest when they are read.
func (b *bucket) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if size < 0 || size <= partSize {
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
		r = io.MultiReader(bytes.NewReader(start), r)
	}
	// The client sends nothing but what Read gives: no shortcut to what is below.
	info, err := b.client.PutObject(ctx, b.name, b.prefix+name, onlyReader{r}, size, minio.PutObjectOptions{PartSize: partSize, ContentType: contentType, DisableContentSha256: true})
	if err == nil && size >= 0 && info.Size != size {
		err = fmt.Errorf("%d bytes came of %d", info.Size, size)
	}
	return b.about(name, err)
}

const contentType = "application/octet-stream"

// Open is of [Target].
func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	core := minio.Core{Client: b.client}
	body, _, _, err := core.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.about(name, err)
	}
	return body, nil
}

// List is of [Target].
func (b *bucket) List(ctx context.Context, prefix string, f func(Object) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return b.about(prefix, o.Err)
		}
		name, ok := strings.CutPrefix(o.Key, b.prefix)
		if !ok || strings.HasSuffix(name, "/") {
			continue
		}
		if err := f(Object{name, o.Size, o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
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

// about makes the errors of object storage those of files.
func (b *bucket) about(name string, err error) error {
	if err == nil {
		return nil
	}
	at := b.String() + "/" + name
	switch res := minio.ToErrorResponse(err); {
	case res.Code == minio.NoSuchKey:
		return &fs.PathError{Op: "open", Path: at, Err: fs.ErrNotExist}
	case res.Code == minio.NoSuchBucket:
		return advice.With(fmt.Errorf("%w: there is no bucket %s", ErrAccess, b.name), "regctl makes none: make it, private and with versions off")
	case res.Code == minio.AccessDenied || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %s: %w: %w", ErrAccess, at, errDenied, err)
	}
	return fmt.Errorf("%s: %w", at, err)
}
