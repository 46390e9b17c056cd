package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// delete removes everything that was pushed, by digest, since a tag may not be
// deletable (Distribution 2.x answers 405 for it). The blobs too: the bytes stay
// until the registry's garbage is collected, but their links in the repository
// would stay for ever in Distribution 2.x.
func (r *run) delete(ctx context.Context) (string, error) {
	n := len(r.pushed)
	if err := r.remove(ctx, http.StatusAccepted, http.StatusOK); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d manifests and blobs", n), nil
}

// remove deletes what is in r.pushed and takes out of it what an answer with one
// of the wanted statuses vouches for. One that fails does not keep it from
// trying the rest, unless ctx has ended or the connection broke: then every
// other would fail likewise, and only later.
func (r *run) remove(ctx context.Context, wanted ...int) error {
	var errs []error
	for _, o := range slices.Clone(r.pushed) {
		err := r.ask(ctx, http.MethodDelete, r.url(r.in("%s", o.path())), wanted...)
		if err == nil {
			r.pushed = slices.DeleteFunc(r.pushed, func(other object) bool { return other == o })
			continue
		}
		errs = append(errs, tidy(err))
		if status := (*StatusError)(nil); !errors.As(err, &status) {
			break
		}
	}
	return first(errs)
}

// gone looks that nothing is served any more, under a tag or a digest.
func (r *run) gone(ctx context.Context) (string, error) {
	paths := []string{"manifests/" + r.imageTag.TagStr(), "manifests/" + r.indexTag.TagStr()}
	for _, p := range append([]part{r.made.imagePart, r.made.indexPart}, r.made.children...) {
		for _, o := range p.all() {
			paths = append(paths, o.path())
		}
	}
	for _, path := range paths {
		resp, err := r.send(ctx, http.MethodGet, r.url(r.in("%s", path)), manifestTypes()...)
		if err != nil {
			return "", err
		}
		err = expect(resp, http.StatusNotFound)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			err = &StillServedError{Path: r.in("%s", path)}
		}
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d paths answered 404", len(paths)), nil
}

// dirty says whether something may have been left in the registry.
func (r *run) dirty() bool { return len(r.left()) > 0 }

// left lists it, as paths under /v2/.
func (r *run) left() (paths []string) {
	for _, o := range r.pushed {
		paths = append(paths, r.in("%s", o.path()))
	}
	for _, u := range r.uploads.list() {
		paths = append(paths, strings.TrimPrefix(u.Path, "/v2/"))
	}
	return paths
}

// cleanUp aborts open uploads and deletes what a run that failed has pushed. It
// cannot know how much of that arrived, so 404 is as good as deleted.
func (r *run) cleanUp(ctx context.Context) (string, error) {
	before := len(r.left())
	var errs []error
	for _, u := range r.uploads.list() {
		if err := r.abort(ctx, u); err != nil {
			errs = append(errs, tidy(err))
		}
	}
	if err := r.remove(ctx, http.StatusAccepted, http.StatusOK, http.StatusNotFound); err != nil {
		errs = append(errs, err)
	}
	left := r.left()
	detail := fmt.Sprintf("%d of %d that may have been pushed are gone", before-len(left), before)
	if len(left) > 0 {
		detail += "; left behind: " + strings.Join(left, ", ")
	}
	return detail, first(errs)
}

// abort ends the upload at u. An upload that was cut off in the middle of a
// request differs from the registry's record of it, and is then not aborted as
// asked: Distribution 2.8 answers 400 and throws it away all the same, so that
// asking again tells (404); 3.x answers 416 and keeps it until its uploadpurging
// comes by, a week later unless configured otherwise, and no client can change
// that. It stays among what is left behind, but is no failure.
func (r *run) abort(ctx context.Context, u *url.URL) error {
	var err error
	for range 2 {
		err = r.ask(ctx, http.MethodDelete, u, http.StatusNoContent, http.StatusOK, http.StatusAccepted,
			http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable)
		if status := (*StatusError)(nil); !errors.As(err, &status) || status.Status != http.StatusBadRequest {
			return err
		}
	}
	return err
}

// first returns the first of errs, and says how many more there were: in a row
// of deletes they are nearly always the same.
func first(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w, and %d more like it", errs[0], len(errs)-1)
}
