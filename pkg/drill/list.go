package drill

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// Tag is a tag and what it names.
type Tag struct {
	Name   string
	Digest storage.Digest
}

// Repository is what is to be pulled of a repository.
type Repository struct {
	Name      string
	Tags      []Tag
	Manifests []storage.Digest // all that it has, tagged or not
}

// ErrList is about a list that this package did not write, or not to its end.
var ErrList = errors.New("not a list of what is to be pulled")

// A list is a file with a line for each tag and manifest below the line of its
// repository. It goes from the container that has the backup to the one that has
// the registry.
const (
	wordRepository = "repository"
	wordTag        = "tag"
	wordManifest   = "manifest"
	wordEnd        = "end"
)

// ListWriter writes a list.
type ListWriter struct {
	f          *os.File
	w          *bufio.Writer
	repository string
}

// CreateList begins a list in a file that is not there yet.
func CreateList(path string) (*ListWriter, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &ListWriter{f: f, w: bufio.NewWriter(f)}, nil
}

// Add adds a manifest, or a tag if it has a name. Those of a repository come one
// after the other.
func (l *ListWriter) Add(repository, tag string, d storage.Digest) error {
	if repository != l.repository {
		l.repository = repository
		fmt.Fprintln(l.w, wordRepository, repository)
	}
	var err error
	if tag == "" {
		_, err = fmt.Fprintln(l.w, wordManifest, d)
	} else {
		_, err = fmt.Fprintln(l.w, wordTag, tag, d)
	}
	return err
}

// Close writes the end.
func (l *ListWriter) Close() error {
	_, err := fmt.Fprintln(l.w, wordEnd)
	return errors.Join(err, l.w.Flush(), l.f.Close())
}

// Repositories reads a list, a repository at a time.
func Repositories(r io.Reader) iter.Seq2[Repository, error] {
	return func(yield func(Repository, error) bool) {
		s := bufio.NewScanner(r)
		var repo Repository
		for s.Scan() {
			f := strings.Fields(s.Text())
			var err error
			switch {
			case len(f) == 1 && f[0] == wordEnd:
				if repo.Name != "" {
					yield(repo, nil)
				}
				return
			case len(f) == 2 && f[0] == wordRepository && storage.ValidRepository(f[1]):
				if repo.Name != "" && !yield(repo, nil) {
					return
				}
				repo = Repository{Name: f[1]}
				continue
			case len(f) == 2 && f[0] == wordManifest && repo.Name != "":
				var d storage.Digest
				d, err = storage.ParseDigest(f[1])
				repo.Manifests = append(repo.Manifests, d)
			case len(f) == 3 && f[0] == wordTag && repo.Name != "" && storage.ValidTag(f[1]):
				t := Tag{Name: f[1]}
				t.Digest, err = storage.ParseDigest(f[2])
				repo.Tags = append(repo.Tags, t)
			default:
				err = ErrList
			}
			if err != nil {
				yield(Repository{}, fmt.Errorf("%w: %w", ErrList, err))
				return
			}
		}
		err := s.Err()
		if err == nil {
			err = errors.New("it is cut off")
		}
		yield(Repository{}, fmt.Errorf("%w: %w", ErrList, err))
	}
}
