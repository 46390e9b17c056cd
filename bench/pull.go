package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
)

const (
	gib = 1 << 30
	// atOnce is how many clients pull or push side by side.
	atOnce = 4
)

// layers makes n different blobs of a size.
func (b *bench) layers(seed uint64, n int, size int64) []*content {
	all := make([]*content, n)
	for i := range all {
		all[i] = newContent(seed+uint64(i), size/b.scale)
		all[i].digest() // now, and not while something is timed
	}
	return all
}

func (b *bench) sizeText(size int64) string {
	size /= b.scale
	if size%gib == 0 {
		return fmt.Sprintf("%d GiB", size/gib)
	}
	return fmt.Sprintf("%d MiB", size>>20)
}

// pulling times one client or several that pull a blob each, on connections that
// are open already.
func (s *stack) pulling(pull func(*client, *content) error, blobs ...*content) func() (sample, error) {
	return func() (sample, error) {
		clients := make([]*client, len(blobs))
		for i := range clients {
			var err error
			if clients[i], err = s.door.open(); err != nil {
				return sample{}, fmt.Errorf("%s: %w", s.name, err)
			}
			defer clients[i].close()
		}
		return s.timed(func() error {
			return together(len(blobs), func(i int) error { return pull(clients[i], blobs[i]) })
		})
	}
}

func fromRegistry(c *client, blob *content) error { return c.pull(repository, blob) }

// fromFile pulls a blob from the plain Nginx, where the registry stores it.
func fromFile(c *client, blob *content) error {
	hex := blob.digest()[len("sha256:"):]
	return c.fetch("/docker/registry/v2/blobs/sha256/"+hex[:2]+"/"+hex+"/data", blob)
}

// verify pulls a blob once and compares its bytes.
func (s *stack) verify(blob *content) error {
	h := sha256.New()
	_, err := s.door.web().do(http.MethodGet, "/v2/"+repository+"/blobs/"+blob.digest(), http.StatusOK, nil, h)
	if got := fmt.Sprintf("sha256:%x", h.Sum(nil)); err == nil && got != blob.digest() {
		err = fmt.Errorf("bytes with the digest %s instead of %s", got, blob.digest())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.name, err)
	}
	return err
}

func (b *bench) pull() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	blob := b.layers(100, 1, gib)[0]
	for _, s := range []*stack{d.ours, d.recipe} {
		if err := s.hold(blob); err != nil {
			return nil, err
		}
		if err := s.verify(blob); err != nil {
			return nil, err
		}
	}
	m, err := turns(7, d.ours.pulling(fromRegistry, blob), d.recipe.pulling(fromRegistry, blob), d.plain.pulling(fromFile, blob))
	if err != nil {
		return nil, err
	}
	ours, recipe, plain := m[0], m[1], m[2]
	what := "pull of " + b.sizeText(gib) + ", "
	rows := []row{
		{what: what + "time", figure: seconds(ours.took), against: "the recipe " + seconds(recipe.took), ratio: ratio(ours.took, recipe.took)},
		{what: what + "CPU time of the servers", figure: cpuSeconds(ours.server), against: "the recipe " + cpuSeconds(recipe.server), ratio: ratio(ours.server, recipe.server)},
		{what: what + "time", figure: seconds(ours.took), against: "a plain file " + seconds(plain.took), ratio: ratio(ours.took, plain.took)},
		{what: what + "CPU time of the servers", figure: cpuSeconds(ours.server), against: "a plain file " + cpuSeconds(plain.server), ratio: ratio(ours.server, plain.server)},
		{what: what + "CPU time of the load generator", figure: cpuSeconds(ours.own), against: "the recipe " + cpuSeconds(recipe.own)},
	}
	for i, most := range []float64{0.75, 0.6, 1.1, 1.1} {
		rows[i].must = atMost(rows[i].ratio, most)
	}
	return rows, nil
}

func (b *bench) pulls() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	blobs := b.layers(200, atOnce, gib/4)
	for _, s := range []*stack{d.ours, d.recipe} {
		if err := s.hold(blobs...); err != nil {
			return nil, err
		}
	}
	m, err := turns(7, d.ours.pulling(fromRegistry, blobs...), d.recipe.pulling(fromRegistry, blobs...))
	if err != nil {
		return nil, err
	}
	throughput := func(s sample) float64 { return float64(atOnce*blobs[0].size) / 1e6 / s.took.Seconds() }
	r := row{
		what:    fmt.Sprintf("%d pulls at once of different blobs of %s, throughput", atOnce, b.sizeText(gib/4)),
		figure:  fmt.Sprintf("%.0f MB/s", throughput(m[0])),
		against: fmt.Sprintf("the recipe %.0f MB/s", throughput(m[1])), ratio: throughput(m[0]) / throughput(m[1]),
	}
	r.must = atLeast(r.ratio, 1.4)
	return []row{r}, nil
}
