package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// reloads is how often the configuration changes under load.
const (
	reloads = 4
	// slowPace lets a transfer of the load outlast a reload.
	slowPace = 32 << 20
)

// reload changes the configuration under load. Whoever asks for manifests does
// so as every client would; a pull and a push are under way at each reload.
func (b *bench) reload() ([]row, error) {
	d, err := b.open()
	if err != nil {
		return nil, err
	}
	path, err := d.ours.manifestPath()
	if err != nil {
		return nil, err
	}
	layer := b.layers(500, 1, 64<<20)[0]
	if err := d.ours.hold(layer); err != nil {
		return nil, err
	}
	l := &load{stop: make(chan struct{})}
	asking, moving := d.ours.door.web(), d.ours.door.web()
	for range connections {
		l.run(func() error {
			_, err := asking.do(http.MethodGet, path, http.StatusOK, nil, io.Discard, manifestAccept)
			return err
		})
	}
	// Each takes about as long as a reload.
	l.run(func() error { return moving.pull(layer, slowPace) })
	l.run(func() error { return moving.push(layer, slowPace) })
	for i := range reloads {
		if err = d.change(b, i); err != nil {
			break
		}
	}
	close(l.stop)
	l.workers.Wait()
	if err != nil {
		return nil, err
	}
	failed := l.failed.Load()
	r := row{what: fmt.Sprintf("failed requests during %d reloads by `regctl up` under load", reloads),
		figure: fmt.Sprintf("%d of %d", failed, l.asked.Load()), must: bound{"0", failed == 0}}
	if failed > 0 {
		r.against = fmt.Sprint("the first: ", l.first)
	}
	return []row{r}, nil
}

// change makes `regctl up` load another configuration.
func (d *doors) change(b *bench, i int) error {
	path := filepath.Join(d.dir, "regctl.yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// A rule for a repository that nobody has.
	rule := fmt.Sprintf("\nimmutable: [\"bench/unused:v%d\"]\n", i)
	if err := appendTo(path, rule); err != nil {
		return err
	}
	_, said, err := b.exec(nil, "", b.regctl, "up", "--json", "-C", d.dir)
	if err != nil {
		return err
	}
	var result struct{ Changed bool }
	if err := json.Unmarshal(said, &result); err != nil {
		return fmt.Errorf("regctl up --json: %w", err)
	}
	if !result.Changed {
		return errors.New("regctl up loaded nothing new: this measured no reload")
	}
	return os.WriteFile(path, before, 0o644)
}

// load is requests that go on until it is stopped, counted.
type load struct {
	stop          chan struct{}
	workers       sync.WaitGroup
	asked, failed atomic.Int64
	once          sync.Once
	first         error
}

// run repeats a request.
func (l *load) run(request func() error) {
	l.workers.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			default:
			}
			l.asked.Add(1)
			if err := request(); err != nil {
				l.failed.Add(1)
				l.once.Do(func() { l.first = err })
			}
		}
	})
}
