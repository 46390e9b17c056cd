//go:build integration

package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ref is a repository with a tag or digest at this deployment.
func (d *deployment) ref(t *testing.T, image string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(d.host() + "/" + image)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// remote is how go-containerregistry reaches the front door as the first user.
// It asks for no second try: what fails once is to be seen.
func (d *deployment) remote(t *testing.T) []remote.Option {
	t.Helper()
	return []remote.Option{
		remote.WithAuth(&authn.Basic{Username: d.user, Password: d.password}),
		remote.WithTransport(d.transport(t)),
		remote.WithContext(t.Context()),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
	}
}

// pushRandom pushes an image of random layers of 64 KiB and returns its digest.
func (d *deployment) pushRandom(t *testing.T, image string, layers int64) string {
	t.Helper()
	digest, err := d.tryPush(t, image, layers)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (d *deployment) tryPush(t *testing.T, image string, layers int64) (digest string, err error) {
	t.Helper()
	img, err := random.Image(64<<10, layers)
	if err != nil {
		return "", err
	}
	if err := remote.Write(d.ref(t, image), img, d.remote(t)...); err != nil {
		return "", fmt.Errorf("push of %s: %w", image, err)
	}
	return digestOf(t, img), nil
}

// digest is what a tag points to.
func (d *deployment) digest(t *testing.T, image string) string {
	t.Helper()
	desc, err := remote.Head(d.ref(t, image), d.remote(t)...)
	if err != nil {
		t.Fatalf("HEAD of %s: %v", image, err)
	}
	return desc.Digest.String()
}

func digestOf(t *testing.T, i interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// checkImage reads everything that an image's manifest names and hashes it.
func checkImage(t *testing.T, img v1.Image) {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if config, err := img.RawConfigFile(); err != nil || sum(config) != manifest.Config.Digest.String() {
		t.Errorf("config %s: hash %s, %v", manifest.Config.Digest, sum(config), err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) == 0 || len(layers) != len(manifest.Layers) {
		t.Fatalf("%d layers, the manifest names %d", len(layers), len(manifest.Layers))
	}
	for i, layer := range layers {
		r, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil || sum(data) != manifest.Layers[i].Digest.String() {
			t.Errorf("layer %s: hash %s, %v", manifest.Layers[i].Digest, sum(data), err)
		}
	}
}

// sum is the digest of some bytes.
func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}
