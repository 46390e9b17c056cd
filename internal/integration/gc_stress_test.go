//go:build integration

package integration

import (
	"fmt"
	"maps"
	mathrand "math/rand/v2"
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
			// With the default grace all is too young here, so that only what a person
			// removes makes writes wait.
			s := &storm{front: f, t: t, acked: map[string]string{}, removes: c.grace == ""}
			args := []string{"gc", "--yes", "--json", "--delete-untagged", "--untagged-older-than", "0s", "--keep-trash", "0s"}
			if c.grace != "" {
				args = append(args, "--grace", c.grace)
			}
			s.run(10*time.Second, args)
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
	removes bool  // tags, between collections
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

// enough tells whether so much has been done that it would find something.
func (s *storm) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushes >= 60 && s.cycles >= 4 && s.deleted >= 5
}

// run lasts for span, and on a slow machine until that is enough.
func (s *storm) run(span time.Duration, gc []string) {
	began := time.Now()
	stop := make(chan struct{})
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
	for took := time.Duration(0); took < span || !s.enough() && took < 3*time.Minute; took = time.Since(began) {
		s.collect(gc)
		if s.removes {
			s.pushRandom(s.t, "storm/removed:v1", 1)
			s.collect([]string{"tag", "rm", "storm/removed:v1", "--yes", "--json"})
		}
	}
	close(stop)
	wg.Wait()
}

// collect runs a command that takes away what nothing needs.
func (s *storm) collect(args []string) {
	r := s.regctl(s.t, args...)
	if r.status != 0 {
		s.t.Errorf("%v", r)
		time.Sleep(time.Second)
		return
	}
	var out collected
	r.json(s.t, &out)
	s.cycles++
	s.freed += out.Blobs.Deleted
	s.longest = max(s.longest, out.HoldMS)
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
	if !s.enough() {
		t.Errorf("%d pushes, %d deletions and %d collections are no storm", s.pushes, s.deleted, s.cycles)
	}
	if s.longest == 0 {
		t.Error("no collection made writes wait")
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
