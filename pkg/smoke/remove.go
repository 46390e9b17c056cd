package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// delete removes everything that was pushed, by digest, since a tag may not be
// deletable (Distribution 2.8 answers 400). The blobs too: the bytes stay
// until the registry's garbage is collected, but their links in the repository
// would stay for ever in Distribution 2.x.
func (r *run) delete(ctx context.Context) (string, error) {
	n := len(r.pushed)
	err := r.remove(ctx, http.StatusAccepted, http.StatusOK)
	return fmt.Sprintf("%d of %d manifests and blobs", n-len(r.pushed), n) + behind(r.left()), err
}

// refused says whether the last step was a delete that the registry would not
// do. Then all has been tried, and a clean-up would fail in the same way.
func (r *run) refused() bool {
	last := r.result.Steps[len(r.result.Steps)-1]
	var status *StatusError
	return last.Name == StepDelete && errors.As(last.Err, &status) && status.Status < 500
}

// remove deletes what is in r.pushed and takes out of it what an answer with one
// of the wanted statuses vouches for. One that fails does not keep it from
// trying the rest, unless ctx has ended or the connection broke: then every
// other would fail likewise, and only later.
func (r *run) remove(ctx context.Context, wanted ...int) error {
	var errs []error
	for _, o := range slices.Clone(r.pushed) {
		err := r.ask(ctx, http.MethodDelete, r.url(r.in(o.path())), nil, wanted...)
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
	paths := []string{"manifests/" + r.imageTag.TagStr(), "manifests/" + r.indexTag.TagStr(), r.probe.path()}
	for _, p := range append([]part{r.made.imagePart, r.made.indexPart}, r.made.children...) {
		for _, o := range p.all() {
			paths = append(paths, o.path())
		}
	}
	for _, path := range paths {
		resp, err := r.send(ctx, http.MethodGet, r.url(r.in(path)), nil, manifestTypes()...)
		if err != nil {
			return "", err
		}
		err = expect(resp, http.StatusNotFound)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			err = &StillServedError{Path: r.in(path)}
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
		paths = append(paths, r.in(o.path()))
	}
	for _, u := range r.uploads.list() {
		paths = append(paths, strings.TrimPrefix(u.Path, "/v2/"))
	}
	return paths
}

// cleanUp aborts open uploads and deletes what a run that failed has pushed. It
// cannot know how much of that arrived, so 404 is as good as deleted.
func (r *run) cleanUp(ctx context.Context) (string, error) {
	// On new connections: Nginx does not read the next request on one where it
	// answered in the middle of an upload, and net/http does not send a DELETE
	// twice. Seen as an EOF after the 502 of a full disk.
	r.closeIdle()
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
	return fmt.Sprintf("%d of %d that may have been pushed are gone", before-len(left), before) + behind(left), first(errs)
}

// behind names the first of what is left behind; Result.Leftovers has all.
func behind(left []string) string {
	switch len(left) {
	case 0:
		return ""
	case 1:
		return "; left behind: " + left[0]
	}
	return fmt.Sprintf("; left behind: %s and %d more", left[0], len(left)-1)
}

// abort ends the upload at u. One that was cut off in the middle of a request
// has grown beyond the registry's record of it (_state), and Distribution then
// does nothing: 2.8.3 answers 404 with BLOB_UPLOAD_INVALID, 3.1.2 answers 416,
// and both keep what came until their uploadpurging, a week later unless
// configured otherwise. No client can change that, so it is no failure, but the
// upload stays among what is left behind.
//
// Even where it answers 204, Distribution leaves a directory with the state of a
// hash, which its uploadpurging never removes as it has no startedat. So a run
// that passes aborts nothing; see upload.
func (r *run) abort(ctx context.Context, u *url.URL) error {
	err := r.ask(ctx, http.MethodDelete, u, nil, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	var status *StatusError
	if errors.As(err, &status) {
		switch {
		case status.has(transport.BlobUploadInvalidErrorCode), status.Status == http.StatusRequestedRangeNotSatisfiable:
			return nil
		case status.Status == http.StatusNotFound:
			err = nil
		}
	}
	if err == nil {
		r.uploads.forget(u.Path)
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
