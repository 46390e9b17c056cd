package backup

import (
	"context"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/regctl/regctl/pkg/storage"
)

// linksAtOnce is how many links a goroutine takes at a time: enough that it walks
// from one to the next instead of from the root, and few enough for a large
// repository to keep all busy.
const linksAtOnce = 512

// someLinks are links of one repository, in the order in which they were listed.
type someLinks struct {
	repository string
	owner      Ownership
	links      []entry
}

// links writes the links. Their number makes it worth several goroutines.
func (st *staging) links(ctx context.Context, snap *Snapshot) error {
	jobs := make(chan someLinks)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range max(4, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for j := range jobs {
				if failed.Load() != nil {
					continue
				}
				if err := st.with(func(t *trail) error { return j.write(t) }); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	var job someLinks
	send := func() error {
		if len(job.links) > 0 {
			jobs <- job
			job.links = nil
		}
		if err := failed.Load(); err != nil {
			return *err
		}
		return ctx.Err()
	}
	done := int64(0)
	chosen := func(name string) bool { return st.opts.Match == nil || st.opts.Match(name) }
	err := st.src.listing(ctx, snap.ID, listingName, listingReader{
		repository: func(name string, o Ownership) error {
			if err := send(); err != nil || !chosen(name) {
				return err
			}
			job.repository, job.owner = name, o
			st.out.Repositories++
			return st.with(func(t *trail) error {
				for _, dir := range []string{"_layers", "_manifests"} {
					if err := t.to(path.Join(stageDir, storage.RepositoryPath(name), dir), o); err != nil {
						return err
					}
				}
				return nil
			})
		},
		link: func(name string, e entry) error {
			if !chosen(name) {
				return nil
			}
			if e.kind == tagLink {
				st.out.Tags++
			}
			if done++; done%4096 == 0 {
				st.opts.Progress(Progress{Phase: PhaseLinks, Done: done})
			}
			if job.links = append(job.links, e); len(job.links) < linksAtOnce {
				return nil
			}
			return send()
		},
	})
	if err == nil {
		err = send()
	}
	close(jobs)
	wg.Wait()
	if f := failed.Load(); err == nil && f != nil {
		err = *f
	}
	return err
}

func (j *someLinks) write(t *trail) error {
	for _, e := range j.links {
		dir, name := path.Split(path.Join(stageDir, e.path(j.repository)))
		if err := t.to(strings.TrimSuffix(dir, "/"), j.owner); err != nil {
			return err
		}
		text := e.target.String()
		if err := t.file(name, strings.NewReader(text), int64(len(text)), j.owner, e.when); err != nil {
			return err
		}
	}
	return nil
}
