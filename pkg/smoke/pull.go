package smoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Pulling asks for each thing itself, where pushing leaves it to the client
// library: that one also compares digests, but a mismatch is then an error of an
// internal type, and the difference between bytes that are wrong and bytes that
// are missing is lost.

func (r *run) pullImage(ctx context.Context) (string, error) {
	p := r.made.imagePart
	if err := r.pull(ctx, r.imageTag.TagStr(), p); err != nil {
		return "", err
	}
	return told(p), nil
}

func (r *run) pullIndex(ctx context.Context) (string, error) {
	p := r.made.indexPart
	if err := r.pull(ctx, r.indexTag.TagStr(), p); err != nil {
		return "", err
	}
	for _, child := range r.made.children {
		if err := r.pull(ctx, child.digest, child); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s, %d platforms", p.digest, len(r.made.children)), nil
}

// pull fetches the manifest that reference (a tag or a digest) names, and its
// blobs, and compares them with what was pushed.
func (r *run) pull(ctx context.Context, reference string, want part) error {
	if err := r.compare(ctx, "manifests/"+reference, want.object); err != nil {
		return err
	}
	for _, b := range want.blobs {
		if err := r.compare(ctx, b.path(), b); err != nil {
			return err
		}
	}
	return nil
}

// compare fetches path in the repository and returns a *MismatchError unless
// its bytes, and the digest the registry announces for them, are those of want.
func (r *run) compare(ctx context.Context, path string, want object) error {
	var accept []string
	if want.manifest {
		accept = manifestTypes()
	}
	resp, err := r.send(ctx, http.MethodGet, r.url(r.in(path)), nil, accept...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := expect(resp, http.StatusOK); err != nil {
		return err
	}
	hash := sha256.New()
	// One byte more than is wanted tells that there is more, however much it is.
	n, err := io.Copy(hash, io.LimitReader(resp.Body, want.size+1))
	if err != nil {
		return fmt.Errorf("reading %s, after %d of %d bytes: %w", r.in(path), n, want.size, err)
	}
	got := "sha256:" + hex.EncodeToString(hash.Sum(nil))
	if got == want.digest {
		// The bytes are right; clients also believe the header, where there is one.
		if told := resp.Header.Get("Docker-Content-Digest"); told != "" {
			got = oneLine(told)
		}
	}
	if got != want.digest {
		return &MismatchError{Path: r.in(path), WantDigest: want.digest, GotDigest: got, WantSize: want.size, GotSize: n}
	}
	return nil
}

// manifestTypes are the media types that today's clients accept.
func manifestTypes() []string {
	return []string{
		string(types.OCIManifestSchema1), string(types.OCIImageIndex),
		string(types.DockerManifestSchema2), string(types.DockerManifestList),
	}
}
