package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// readers pull at once while memory is looked at, each at a slow line's pace:
	// what they have not taken yet waits in some buffer.
	readers    = 64
	readerPace = 4 << 20
	readerSpan = 6 * time.Second
	// mostMemory is what calls the memory bounded: 2 MiB for each pull, a small
	// part of a layer.
	mostMemory = 128 << 20
)

// peak is the most memory that the stack has while many pull slowly.
func (s *stack) peak(blob *content) (int64, error) {
	clients := make([]*client, readers)
	for i := range clients {
		var err error
		if clients[i], err = s.door.open(); err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
		defer clients[i].close()
		clients[i].pace = readerPace
	}
	var (
		most int64
		over = time.Now().Add(readerSpan)
		done = make(chan error, 1)
	)
	go func() {
		done <- together(readers, func(i int) error {
			// The end of the time is the end of the connection: nobody waits for the
			// last byte of 64 GiB.
			clients[i].wire.SetReadDeadline(over)
			err := clients[i].pull(repository, blob)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		})
	}()
	for tick := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case err := <-done:
			tick.Stop()
			if err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
			}
			return most, err
		case <-tick.C:
			now, err := s.usage()
			if err != nil {
				return 0, err
			}
			most = max(most, now.memory)
		}
	}
}

func (b *bench) memory() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	blob := b.layers(100, 1, gib)[0]
	var most [2]int64
	for i, s := range []*stack{d.ours, d.recipe} {
		if err := s.hold(blob); err != nil {
			return nil, err
		}
		if most[i], err = s.peak(blob); err != nil {
			return nil, err
		}
	}
	mib := func(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
	return []row{{
		what: fmt.Sprintf("memory of Nginx and registry, %d slow pulls of %s", readers, b.sizeText(gib)), figure: mib(most[0]),
		against: "the recipe " + mib(most[1]), ratio: float64(most[0]) / float64(most[1]),
		must: bound{"at most " + mib(mostMemory), most[0] <= mostMemory},
	}}, nil
}
