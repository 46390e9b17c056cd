package smoke

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// options are those of the client library. It is told never to try again: it
// would hide the fault that comes and goes, and wait four seconds on each other.
// One blob at a time: when one of several fails, the others are cancelled, and an
// upload that the registry has just begun would be known to nobody.
func (r *run) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(r.authed),
		remote.WithJobs(1),
		remote.WithRetryPredicate(func(error) bool { return false }),
	}
}

func (r *run) pushImage(ctx context.Context) (string, error) {
	c, err := newContent(r.target.Size)
	if err != nil {
		return "", err
	}
	r.made = c
	r.result.ImageDigest, r.result.IndexDigest = c.imagePart.digest, c.indexPart.digest
	r.result.Bytes = c.bytes()
	r.pushed = append(c.imagePart.all(), r.pushed...)
	if err := remote.Write(r.imageTag, c.image, r.options(ctx)...); err != nil {
		return "", err
	}
	return told(c.imagePart), nil
}

func (r *run) pushIndex(ctx context.Context) (string, error) {
	// The index first: a registry may refuse to delete what an index still names.
	first := []object{r.made.indexPart.object}
	for _, child := range r.made.children {
		first = append(first, child.all()...)
	}
	r.pushed = append(first, r.pushed...)
	if err := remote.WriteIndex(r.indexTag, r.made.index, r.options(ctx)...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d platforms", r.made.indexPart.digest, len(r.made.children)), nil
}

// told describes a part that was moved.
func told(p part) string {
	var bytes int64
	for _, o := range p.all() {
		bytes += o.size
	}
	return fmt.Sprintf("%s, %.1f MiB", p.digest, float64(bytes)/(1<<20))
}
