//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestGCStress has clients push, mount, move and delete tags over layers that
// they share, while the registry is collected all the time. What a client was
// told is stored must pull whole afterwards.
func TestGCStress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, image, grace string
		most               int // pushes that may be refused, in percent
	}{
		// With hardly any grace a layer may go between a client's look and its
		// manifest: the registry then refuses the manifest.
		{"registry 3, grace of a second", imageRegistry3, "1s", 60},
		{"registry 2, grace of a second", imageRegistry2, "1s", 60},
		{"registry 3, default grace", imageRegistry3, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFront(t, options{registry: c.image})
			s := &storm{front: f, t: t, acked: map[string]string{}}
			args := []string{"gc", "--yes", "--json", "--delete-untagged", "--untagged-older-than", "0s", "--keep-trash", "0s"}
			if c.grace != "" {
				args = append(args, "--grace", c.grace)
			}
			s.run(12*time.Second, args)
			s.check(c.most)
		})
	}
}

// storm is clients at work. Each has tags of its own, so that it knows what they
// are; the layers are everybody's.
type storm struct {
	*front
	t       *testing.T
	mu      sync.Mutex
	acked   map[string]string // repository:tag to the digest that the registry acknowledged
	pushes  int
	refused []string // pushes whose manifest was refused for a layer
	deleted int
	first   error
	longest int64 // hold in ms
	cycles  int
	freed   int
}

const (
	stormLayers  = 24
	stormClients = 6
)

func stormLayer(n int) string {
	return strings.Repeat(fmt.Sprintf("layer %d of the storm\n", n), 50+n)
}

func (s *storm) run(span time.Duration, gc []string) {
	stop := make(chan struct{})
	time.AfterFunc(span, func() { close(stop) })
	var wg sync.WaitGroup
	// 2.x writes links in place: a deletion that reads another client's tag just then
	// fails half-way, with a 500. There each client has a repository of its own.
	repositories := 4
	if s.opts.registry == imageRegistry2 {
		repositories = stormClients
	}
	for i := range stormClients {
		wg.Go(func() {
			c := &stormClient{storm: s, id: i, repo: fmt.Sprintf("storm/client-%d", i%repositories), rand: mathrand.New(mathrand.NewPCG(uint64(i), 7))}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.step(); err != nil {
					s.mu.Lock()
					if s.first == nil {
						s.first = fmt.Errorf("client %d: %w", i, err)
					}
					s.mu.Unlock()
				}
			}
		})
	}
	for {
		select {
		case <-stop:
			wg.Wait()
			return
		default:
		}
		r := s.regctl(s.t, gc...)
		if r.status != 0 {
			s.t.Errorf("%v", r)
			time.Sleep(time.Second)
			continue
		}
		var out collected
		r.json(s.t, &out)
		s.cycles++
		s.freed += out.Blobs.Deleted
		s.longest = max(s.longest, out.HoldMS)
	}
}

// check pulls everything that was acknowledged.
func (s *storm) check(most int) {
	t := s.t
	t.Helper()
	t.Logf("%d pushes, %d refused, %d deletions, %d collections, %d blobs swept, longest hold %d ms, %d tags",
		s.pushes, len(s.refused), s.deleted, s.cycles, s.freed, s.longest, len(s.acked))
	if s.first != nil {
		t.Error(s.first)
	}
	if s.pushes < 60 || s.cycles < 4 || s.deleted < 5 {
		t.Errorf("%d pushes, %d deletions and %d collections are no storm", s.pushes, s.deleted, s.cycles)
	}
	if len(s.refused)*100 > s.pushes*most {
		t.Errorf("%d of %d pushes were refused, the first: %s", len(s.refused), s.pushes, s.refused[0])
	}
	broken := 0
	for _, image := range slices.Sorted(maps.Keys(s.acked)) {
		if got := s.digest(t, image); got != s.acked[image] {
			t.Errorf("%s is %s, not %s", image, got, s.acked[image])
		}
		if err := s.tryWhole(t, image); err != nil {
			if broken++; broken < 5 {
				t.Errorf("%s: %v", image, err)
			}
		}
	}
	if broken > 0 {
		t.Errorf("%d of %d tags do not pull whole", broken, len(s.acked))
	}
	s.noHold(t)
}

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
	return c.push(fmt.Sprintf("c%d-%d", c.id, c.n))
}

// push uploads what is missing, mounts what another repository has, and puts the
// manifest, as Docker does.
func (c *stormClient) push(tag string) error {
	c.mu.Lock()
	c.pushes++
	c.mu.Unlock()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"of":"%s/%s"}}}`, c.repo, tag)
	blobs := []string{config}
	for range 1 + c.rand.IntN(3) {
		blobs = append(blobs, stormLayer(c.rand.IntN(stormLayers)))
	}
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	var all []descriptor
	for i, b := range blobs {
		if err := c.ensure(b); err != nil {
			return err
		}
		kind := "application/vnd.oci.image.layer.v1.tar"
		if i == 0 {
			kind = "application/vnd.oci.image.config.v1+json"
		}
		all = append(all, descriptor{kind, sum([]byte(b)), len(b)})
	}
	m, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "config": all[0], "layers": all[1:]})
	if err != nil {
		return err
	}
	return c.put(tag, string(m))
}

// put stores a manifest under a tag and remembers that it was acknowledged.
func (c *stormClient) put(tag, manifest string) error {
	a, err := c.tryAsk(c.t, c.boss(), http.MethodPut, "/v2/"+c.repo+"/manifests/"+tag, manifest, ociType)
	if err != nil {
		return err
	}
	image := c.repo + ":" + tag
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.StatusCode == http.StatusBadRequest && strings.Contains(a.body, "BLOB_UNKNOWN") {
		c.refused = append(c.refused, image+": "+a.body)
		return nil
	}
	if a.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT of %s: %s %s", image, a.Status, a.body)
	}
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
	a, err := c.tryAsk(c.t, c.boss(), http.MethodGet, "/v2/"+c.repo+"/manifests/"+from, "", header{"Accept", ociManifest})
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("GET of %s:%s: %s %s", c.repo, from, a.Status, a.body)
	}
	return c.put(to, a.body)
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
