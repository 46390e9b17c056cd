//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// stormClient is one client of a storm.
type stormClient struct {
	*storm
	id   int
	repo string
	rand *mathrand.Rand
	n    int
	mine []string // tags, the oldest first
}

// step pushes an image; now and then it gives a tag to another one, or deletes.
func (c *stormClient) step() error {
	switch {
	case len(c.mine) > 3 && c.rand.IntN(4) == 0:
		return c.drop()
	case len(c.mine) > 0 && c.rand.IntN(4) == 0:
		return c.move()
	}
	c.n++
	tag := fmt.Sprintf("c%d-%d", c.id, c.n)
	if c.rand.IntN(4) == 0 {
		return c.pushIndex(tag)
	}
	m, err := c.image(tag)
	if err != nil {
		return err
	}
	return c.put(tag, ociManifest, m)
}

// pushIndex pushes images by their digests, then an index of them, as builds for
// several platforms do.
func (c *stormClient) pushIndex(tag string) error {
	var children []descriptor
	for _, platform := range []string{"amd64", "arm64"} {
		m, err := c.image(tag + "-" + platform)
		if err != nil {
			return err
		}
		d := descriptor{ociManifest, sum([]byte(m)), len(m)}
		if ok, err := c.putManifest(d.Digest, ociManifest, m); err != nil || !ok {
			return err
		}
		children = append(children, d)
	}
	m, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": children})
	if err != nil {
		return err
	}
	return c.put(tag, ociIndex, string(m))
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// image uploads what is missing of an image, mounts what another repository has, as
// Docker and BuildKit do, and returns the manifest.
func (c *stormClient) image(tag string) (string, error) {
	c.mu.Lock()
	c.pushes++
	c.mu.Unlock()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"of":"%s/%s"}}}`, c.repo, tag)
	blobs := []string{config}
	for range 1 + c.rand.IntN(3) {
		blobs = append(blobs, stormLayer(c.rand.IntN(stormLayers)))
	}
	var all []descriptor
	for i, b := range blobs {
		if err := c.ensure(b); err != nil {
			return "", err
		}
		kind := "application/vnd.oci.image.layer.v1.tar"
		if i == 0 {
			kind = "application/vnd.oci.image.config.v1+json"
		}
		all = append(all, descriptor{kind, sum([]byte(b)), len(b)})
	}
	m, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "config": all[0], "layers": all[1:]})
	return string(m), err
}

// putManifest stores a manifest, unless the registry misses something of it.
func (c *stormClient) putManifest(ref, kind, manifest string) (bool, error) {
	a, err := c.tryAsk(c.t, c.boss(), http.MethodPut, "/v2/"+c.repo+"/manifests/"+ref, manifest, header{"Content-Type", kind})
	if err != nil {
		return false, err
	}
	if a.StatusCode == http.StatusBadRequest && strings.Contains(a.body, "BLOB_UNKNOWN") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused = append(c.refused, c.repo+":"+ref+": "+a.body)
		return false, nil
	}
	if a.StatusCode != http.StatusCreated {
		return false, fmt.Errorf("PUT of %s:%s: %s %s", c.repo, ref, a.Status, a.body)
	}
	return true, nil
}

// put stores a manifest under a tag and remembers that it was acknowledged.
func (c *stormClient) put(tag, kind, manifest string) error {
	if ok, err := c.putManifest(tag, kind, manifest); err != nil || !ok {
		return err
	}
	image := c.repo + ":" + tag
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked[image] = sum([]byte(manifest))
	if !slices.Contains(c.mine, tag) {
		c.mine = append(c.mine, tag)
	}
	return nil
}

// ensure makes the registry have a blob in the client's repository.
func (c *stormClient) ensure(content string) error {
	digest := sum([]byte(content))
	at := "/v2/" + c.repo + "/blobs/"
	a, err := c.tryAsk(c.t, c.boss(), http.MethodHead, at+digest, "")
	if err != nil || a.StatusCode == http.StatusOK {
		return err
	}
	if a.StatusCode != http.StatusNotFound {
		return fmt.Errorf("HEAD of a blob: %s", a.Status)
	}
	start := at + "uploads/"
	if c.rand.IntN(2) == 0 {
		start += "?mount=" + digest + "&from=" + fmt.Sprintf("storm/client-%d", c.rand.IntN(4))
	}
	if a, err = c.tryAsk(c.t, c.boss(), http.MethodPost, start, ""); err != nil || a.StatusCode == http.StatusCreated {
		return err
	}
	if a.StatusCode != http.StatusAccepted {
		return fmt.Errorf("POST of an upload: %s %s", a.Status, a.body)
	}
	session := a.Header.Get("Location")
	if a, err = c.tryAsk(c.t, c.boss(), http.MethodPut, session+"&digest="+url.QueryEscape(digest), content); err != nil {
		return err
	}
	if a.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT of an upload: %s %s", a.Status, a.body)
	}
	return nil
}

// move gives one of the client's tags the manifest of another.
func (c *stormClient) move() error {
	from, to := c.mine[c.rand.IntN(len(c.mine))], c.mine[c.rand.IntN(len(c.mine))]
	a, err := c.tryAsk(c.t, c.boss(), http.MethodGet, "/v2/"+c.repo+"/manifests/"+from, "", header{"Accept", ociManifest + ", " + ociIndex})
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("GET of %s:%s: %s %s", c.repo, from, a.Status, a.body)
	}
	return c.put(to, a.Header.Get("Content-Type"), a.body)
}

// drop deletes the manifest of the oldest tag, and with it all tags of it.
func (c *stormClient) drop() error {
	c.mu.Lock()
	digest := c.acked[c.repo+":"+c.mine[0]]
	var kept []string
	for _, tag := range c.mine {
		if image := c.repo + ":" + tag; c.acked[image] == digest {
			delete(c.acked, image)
		} else {
			kept = append(kept, tag)
		}
	}
	c.mine = kept
	c.deleted++
	c.mu.Unlock()
	a, err := c.tryAsk(c.t, c.boss(), http.MethodDelete, "/v2/"+c.repo+"/manifests/"+digest, "")
	if err == nil && a.StatusCode != http.StatusAccepted {
		err = errors.New("DELETE of " + digest + ": " + a.Status + " " + a.body)
	}
	return err
}
