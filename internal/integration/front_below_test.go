//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const ociIndex = "application/vnd.oci.image.index.v1+json"

// testImmutableBelow is about what an immutable tag is made of: its index's
// children and its blobs cannot be deleted from under it, nor can the manifest
// while the tag is being put on it.
func testImmutableBelow(t *testing.T, f *front) {
	s := f.seedRepository(t, "release/multi") // has v1, protected
	who := f.addUser(t, "cleaner", "--pull", "**", "--push", "**", "--delete", "**")
	put := func(ref, body, kind string) {
		f.expect(t, http.StatusCreated, who, http.MethodPut, "/v2/release/multi/manifests/"+ref, body, header{"Content-Type", kind})
	}
	index := func(entries ...string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndex, strings.Join(entries, ","))
	}
	child, deeper, free := f.another(s), f.another(s), f.another(s)
	inner := index(entry(ociManifest, deeper))
	outer := index(entry(ociManifest, child), entry(ociIndex, inner))
	for _, m := range []string{child, deeper, free} {
		put(sum([]byte(m)), m, ociManifest)
	}
	put(sum([]byte(inner)), inner, ociIndex)
	put("v2", outer, ociIndex)
	for what, digest := range map[string]string{"a child": sum([]byte(child)), "an inner index": sum([]byte(inner)), "a child of that": sum([]byte(deeper))} {
		got := f.expect(t, http.StatusForbidden, who, http.MethodDelete, "/v2/release/multi/manifests/"+digest, "")
		if _, message := errorCode(got.body); !strings.Contains(message, "of release/multi is immutable") {
			t.Errorf("%s: %s", what, got.body)
		}
		f.expect(t, http.StatusOK, who, http.MethodHead, "/v2/release/multi/manifests/"+digest, "", header{"Accept", ociIndex + ", " + ociManifest})
	}
	for _, blob := range []string{s.layer, s.config} {
		f.expect(t, http.StatusForbidden, who, http.MethodDelete, "/v2/release/multi/blobs/"+blob, "")
		f.expect(t, http.StatusOK, who, http.MethodHead, "/v2/release/multi/blobs/"+blob, "")
	}
	f.expect(t, http.StatusAccepted, who, http.MethodDelete, "/v2/release/multi/manifests/"+sum([]byte(free)), "")

	// What was acknowledged stays, whatever is deleted at the same moment.
	for n := range 20 {
		m := f.another(s)
		digest, tag := sum([]byte(m)), fmt.Sprintf("v-race%d", n)
		put(digest, m, ociManifest)
		var wg sync.WaitGroup
		var stored answer
		var err error
		wg.Go(func() {
			stored, err = f.tryAsk(t, who, http.MethodPut, "/v2/release/multi/manifests/"+tag, m, ociType)
		})
		wg.Go(func() {
			f.tryAsk(t, who, http.MethodDelete, "/v2/release/multi/manifests/"+digest, "")
		})
		wg.Wait()
		if err != nil || stored.StatusCode != http.StatusCreated {
			continue // the DELETE may have come first: then it is no wonder
		}
		f.expect(t, http.StatusOK, who, http.MethodHead, "/v2/release/multi/manifests/"+tag, "", header{"Accept", ociManifest})
	}
}

func entry(kind, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, kind, sum([]byte(content)), len(content))
}
