package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// Client asks a registry as those who pull do.
type Client struct {
	URL  string // without a slash at the end
	HTTP *http.Client
	// Gone is why the registry does not run any more, nil while it does: what it
	// does not answer then says nothing about a blob.
	Gone func() error
}

// accept is every kind of manifest: a registry answers 404 for one that is not
// accepted.
var accept = strings.Join([]string{
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws", "*/*"}, ", ")

// The errors about what a registry serves.
var (
	errDigest = errors.New("what the registry serves does not match the digest")
	errOther  = errors.New("the registry has another digest for it")
)

// fault is what is wrong with a tag, manifest or blob, as opposed to the errors
// that end a drill.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

// ask sends a request. An answer of another status than 200 is a fault.
func (c *Client) ask(ctx context.Context, method, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, c.blame(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, fault{fmt.Errorf("the registry answers %d%s", resp.StatusCode, reason(text))}
	}
	return resp, nil
}

// blame tells a registry that ended from one that broke off an answer.
func (c *Client) blame(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if gone := c.Gone(); gone != nil {
		return gone
	}
	return fault{err}
}

// reason is what a registry says beside a status.
func reason(body []byte) string {
	var said struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &said) != nil || len(said.Errors) == 0 {
		return ""
	}
	return fmt.Sprintf(" %s: %.200s", said.Errors[0].Code, said.Errors[0].Message)
}

// get reads a whole answer of at most that many bytes.
func (c *Client) get(ctx context.Context, path, accept string, most int64) ([]byte, error) {
	resp, err := c.ask(ctx, http.MethodGet, path, accept)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, c.blame(ctx, err)
	}
	if int64(len(body)) > most {
		return nil, fault{storage.ErrTooLarge}
	}
	return body, nil
}

// manifest fetches a manifest by a tag or its digest, and compares it with what it
// should be.
func (c *Client) manifest(ctx context.Context, repository, reference string, want storage.Digest) ([]byte, error) {
	body, err := c.get(ctx, "/v2/"+repository+"/manifests/"+reference, accept, storage.ManifestMost)
	if err != nil {
		return nil, err
	}
	if got := want.Algorithm().Of(body); got != want {
		if reference == want.String() {
			return nil, fault{errDigest}
		}
		return nil, fault{fmt.Errorf("%w: %s, not %s", errOther, got, want)}
	}
	return body, nil
}

// blob reads a blob to its end. A size that is not known is less than 0.
func (c *Client) blob(ctx context.Context, repository string, d storage.Digest, size int64, read func(int64)) error {
	resp, err := c.ask(ctx, http.MethodGet, blobPath(repository, d), "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	h := d.Algorithm().New()
	buf := make([]byte, 256<<10)
	var n int64
	for {
		k, err := resp.Body.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		read(int64(k))
		if err == io.EOF {
			break
		}
		if err != nil {
			return c.blame(ctx, fmt.Errorf("after %d bytes: %w", n, err))
		}
	}
	if got := d.Algorithm().Sum(h); got != d {
		return fault{errDigest}
	}
	if size >= 0 && n != size {
		return fault{fmt.Errorf("it has %d bytes, and its manifest says %d", n, size)}
	}
	return nil
}

// has asks whether a repository has a blob.
func (c *Client) has(ctx context.Context, repository string, d storage.Digest) error {
	resp, err := c.ask(ctx, http.MethodHead, blobPath(repository, d), "")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func blobPath(repository string, d storage.Digest) string {
	return "/v2/" + repository + "/blobs/" + d.String()
}
