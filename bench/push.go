package main

import (
	"fmt"
	"time"
)

// pushing times one client or several that push a blob each. A registry that has
// the blob takes it all the same, reads and stores all of it, and only then drops
// it: so the disk does not fill.
func (s *stack) pushing(d *door, blobs ...*content) func() (sample, error) {
	return func() (sample, error) {
		clients := make([]*client, len(blobs))
		for i := range clients {
			var err error
			if clients[i], err = d.open(); err != nil {
				return sample{}, fmt.Errorf("%s: %w", s.name, err)
			}
			defer clients[i].close()
		}
		return s.timed(func() error {
			return together(len(blobs), func(i int) error { return clients[i].push(repository, blobs[i]) })
		})
	}
}

// pushRow compares pushes of our stack with those of the recipe.
func (b *bench) pushRow(what string, rounds func(...func() (sample, error)) ([]sample, error), change func(*door) *door, blobs ...*content) (row, error) {
	d, err := b.open()
	if err != nil {
		return row{}, err
	}
	ours, recipe := change(d.ours.door), change(d.recipe.door)
	m, err := rounds(d.ours.pushing(ours, blobs...), d.recipe.pushing(recipe, blobs...))
	if err != nil {
		return row{}, err
	}
	r := row{what: what, figure: seconds(m[0].took), against: "the recipe " + seconds(m[1].took), ratio: ratio(m[0].took, m[1].took)}
	r.must = atMost(r.ratio, 1)
	return r, nil
}

func near(d *door) *door { return d }

func (b *bench) push() ([]row, error) {
	r, err := b.pushRow("push of "+b.sizeText(gib), warm(3), near, b.layers(300, 1, gib)...)
	return []row{r}, err
}

func (b *bench) pushes() ([]row, error) {
	r, err := b.pushRow(fmt.Sprintf("%d pushes at once of %s each", atOnce, b.sizeText(gib)), cold(3), near, b.layers(300, atOnce, gib)...)
	return []row{r}, err
}

// latency pushes over a long line: HTTP/1.1 on both sides.
func (b *bench) latency() ([]row, error) {
	const rtt = 40 * time.Millisecond
	r, err := b.pushRow(fmt.Sprintf("push of %s, %d ms further away", b.sizeText(64<<20), rtt.Milliseconds()), warm(9),
		func(d *door) *door { return d.distant(rtt) }, b.layers(400, 1, 64<<20)...)
	return []row{r}, err
}

// warm and cold are [turns] and [rounds] of n rounds.
func warm(n int) func(...func() (sample, error)) ([]sample, error) {
	return func(runs ...func() (sample, error)) ([]sample, error) { return turns(n, runs...) }
}

func cold(n int) func(...func() (sample, error)) ([]sample, error) {
	return func(runs ...func() (sample, error)) ([]sample, error) { return rounds(n, runs...) }
}
