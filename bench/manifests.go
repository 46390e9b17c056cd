package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// connections is how many clients ask for manifests at once.
const connections = 16

// together runs a function n times at once.
func together(n int, run func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- run(i) }()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// manifestPath pushes a small image to a stack and returns where its manifest is.
func (s *stack) manifestPath() (string, error) {
	config, layer := contentOf([]byte("{}")), newContent(1, 1<<10)
	if err := s.hold(config, layer); err != nil {
		return "", err
	}
	const oci = "application/vnd.oci.image."
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%smanifest.v1+json","config":{"mediaType":"%sconfig.v1+json","digest":"%s","size":%d},`+
		`"layers":[{"mediaType":"%slayer.v1.tar","digest":"%s","size":%d}]}`,
		oci, oci, config.digest(), config.size, oci, layer.digest(), layer.size)
	path := "/v2/" + repository + "/manifests/v1"
	if _, err := s.door.web().do(http.MethodPut, path, http.StatusCreated, strings.NewReader(text), io.Discard, "Content-Type: "+oci+"manifest.v1+json"); err != nil {
		return "", fmt.Errorf("%s: %w", s.name, err)
	}
	return path, nil
}

const manifestAccept = "Accept: application/vnd.oci.image.manifest.v1+json"

// rate asks for one manifest over and over on kept-alive connections.
func (s *stack) rate(d *door, path string, span time.Duration) func() (sample, error) {
	return func() (sample, error) {
		clients := make([]*client, connections)
		for i := range clients {
			var err error
			if clients[i], err = d.open(); err != nil {
				return sample{}, fmt.Errorf("%s: %w", s.name, err)
			}
			defer clients[i].close()
		}
		var counts [connections]int
		got, err := s.timed(func() error {
			end := time.Now().Add(span)
			return together(connections, func(i int) error {
				for time.Now().Before(end) {
					if _, err := clients[i].do(http.MethodGet, path, http.StatusOK, nil, manifestAccept); err != nil {
						return err
					}
					counts[i]++
				}
				return nil
			})
		})
		total := 0
		for _, n := range counts {
			total += n
		}
		got.perSecond = float64(total) / got.took.Seconds()
		got.own /= time.Duration(max(total, 1)) // of each request
		return got, err
	}
}

func (b *bench) manifests() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	for _, s := range []*stack{d.ours, d.recipe} {
		if _, err := s.manifestPath(); err != nil {
			return nil, err
		}
	}
	path, err := d.ours.manifestPath()
	if err != nil {
		return nil, err
	}
	// At 8 a second a span has to be long for the count to mean something.
	m, err := turns(5, d.ours.rate(d.ours.door, path, time.Second), d.recipe.rate(d.cheap, path, time.Second),
		d.recipe.rate(d.recipe.door, path, 3*time.Second))
	if err != nil {
		return nil, err
	}
	ours, cheap, dear := m[0], m[1], m[2]
	what := fmt.Sprintf("manifest GET a second, %d connections, bcrypt cost %d", connections, cost)
	perSecond := func(s sample) string { return fmt.Sprintf("%.0f", s.perSecond) }
	rows := []row{
		{what: what, figure: perSecond(ours), against: fmt.Sprintf("the recipe at cost %d: %.1f", cost, dear.perSecond), ratio: ours.perSecond / dear.perSecond},
		{what: what, figure: perSecond(ours), against: fmt.Sprintf("the recipe at cost %d: %s", costCheap, perSecond(cheap)), ratio: ours.perSecond / cheap.perSecond},
		{what: "the load generator's own CPU time, each manifest GET", figure: fmt.Sprintf("%d µs", ours.own.Microseconds()),
			against: fmt.Sprintf("the recipe: %d µs", cheap.own.Microseconds())},
	}
	rows[0].must, rows[1].must = atLeast(rows[0].ratio, 100), atLeast(rows[1].ratio, 1.5)
	return rows, nil
}
