package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
)

// Format is the version of the store's format that this package writes, and the
// newest that it reads.
const Format = 1

// Names in a store.
const (
	headName     = "regctl-backup.json"
	dataDir      = "data/"
	snapshotsDir = "snapshots/"
	locksDir     = "locks/"
)

// head says what a store is.
type head struct {
	Format    int       `json:"format"`
	Store     string    `json:"store"`
	Created   time.Time `json:"created"`
	Encrypted bool      `json:"encrypted"`
}

// The errors of opening a store.
var (
	// ErrNoStore says that there are no backups in a target.
	ErrNoStore = errors.New("no backups")
	// ErrFormat says that a store is of a format that this regctl does not know.
	ErrFormat = errors.New("unknown format")
)

// Store is an open store.
type Store struct {
	Target
	head head
	keys Keys
	host string
}

// As says what locks and snapshots are to call this host: a container has a name
// of its own that means nothing to anybody. Without it that is the system's.
func (s *Store) As(host string) { s.host = host }

func (s *Store) hostname() string {
	if s.host != "" {
		return s.host
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// Open opens the store in a target. It takes no lock.
func Open(ctx context.Context, t Target, keys Keys) (*Store, error) {
	text, err := readAll(ctx, t, headName, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, advice.With(fmt.Errorf("%w in %s", ErrNoStore, t), "regctl backup create --to %s makes the first", t)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{Target: t, keys: keys}
	if err := json.Unmarshal(text, &s.head); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", headName, t, err)
	}
	if s.head.Format != Format {
		return nil, advice.With(fmt.Errorf("%w: %s has format %d, this regctl knows %d", ErrFormat, t, s.head.Format, Format), "use a newer regctl")
	}
	return s, nil
}

// Imagined is a store that is not there yet, for a run that only looks.
func Imagined(name string, keys Keys) *Store {
	return &Store{Target: &memory{path: name, objects: map[string][]byte{}}, keys: keys, head: head{Format: Format, Encrypted: keys.CanSeal()}}
}

// Create opens a store, and makes one where there is none. A target that has
// something else in it is refused.
func Create(ctx context.Context, t Target, keys Keys) (*Store, error) {
	s, err := Open(ctx, t, keys)
	if errors.Is(err, ErrNoStore) {
		if err := found(ctx, t, keys); err != nil {
			return nil, err
		}
		// Of two that began at once one has won.
		s, err = Open(ctx, t, keys)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case s.head.Encrypted && !keys.CanSeal():
		return nil, advice.With(fmt.Errorf("%w: the backups in %s are encrypted, and no recipient is given", ErrKey, t), "backup.recipients in regctl.yaml")
	case !s.head.Encrypted && keys.CanSeal():
		return nil, advice.With(fmt.Errorf("%w: the backups in %s are not encrypted, and recipients are given", ErrKey, t), "begin in a directory or prefix of its own")
	}
	return s, nil
}

// found makes a target a store, unless it has become one meanwhile.
func found(ctx context.Context, t Target, keys Keys) error {
	if err := empty(ctx, t); err != nil {
		if _, again := Open(ctx, t, keys); again == nil {
			return nil
		}
		return err
	}
	h := head{Format: Format, Store: rand.Text(), Created: time.Now().UTC().Truncate(time.Second), Encrypted: keys.CanSeal()}
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	if err := put(ctx, t, headName, append(text, '\n')); err != nil {
		return err
	}
	return t.Flush(ctx)
}

// empty refuses a target with foreign content: one mistyped directory, and prune
// would be at work in it.
func empty(ctx context.Context, t Target) error {
	found := errors.New("found")
	err := t.List(ctx, "", func(o Object) error {
		if strings.HasPrefix(o.Name, tempDir+"/") || strings.HasPrefix(o.Name, "lost+found") {
			return nil
		}
		return fmt.Errorf("%w: %s", found, o.Name)
	})
	if errors.Is(err, found) {
		return advice.With(fmt.Errorf("%s holds something else than backups", t), "name an empty directory or prefix")
	}
	return err
}

// Encrypted tells whether its objects are.
func (s *Store) Encrypted() bool { return s.head.Encrypted }

// suffix ends the names of its objects.
func (s *Store) suffix() string {
	if s.head.Encrypted {
		return sealedSuffix
	}
	return ""
}

// blobName is the name of a blob's object.
func (s *Store) blobName(d storage.Digest) string {
	h := d.Hex()
	return dataDir + d.Algorithm().String() + "/" + h[:2] + "/" + h + s.suffix()
}

// blobDigest is the reverse; ok is false for names that are none of a blob.
func (s *Store) blobDigest(name string) (d storage.Digest, ok bool) {
	rest, ok := strings.CutPrefix(name, dataDir)
	if !ok {
		return d, false
	}
	if rest, ok = strings.CutSuffix(rest, s.suffix()); !ok {
		return d, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return d, false
	}
	d, err := storage.ParseDigest(parts[0] + ":" + parts[2])
	return d, err == nil && parts[2][:2] == parts[1]
}

// present lists the blobs that the store has, with the sizes of their objects.
func (s *Store) present(ctx context.Context) (*blobSet, error) {
	set := newBlobSet()
	err := s.List(ctx, dataDir, func(o Object) error {
		if d, ok := s.blobDigest(o.Name); ok {
			set.put(d, o.Size)
		}
		return nil
	})
	return set, err
}

// sizeFits tells whether an object can hold a blob of that size.
func (s *Store) sizeFits(object, plain int64) bool {
	if !s.head.Encrypted {
		return object == plain
	}
	// The header is longer with each recipient.
	least := sealedLeast(plain)
	return object > least && object < least+sealedHeaderMost
}

const sealedHeaderMost = 64 << 10

// putSealed puts an object, encrypted if the store is.
func (s *Store) putSealed(ctx context.Context, name string, size int64, r io.Reader) error {
	if !s.head.Encrypted {
		return s.Put(ctx, name, size, r)
	}
	sealed := s.keys.seal(r)
	defer sealed.Close()
	return s.Put(ctx, name, -1, sealed)
}

// openSealed opens an object, decrypted if the store is encrypted.
func (s *Store) openSealed(ctx context.Context, name string) (io.Reader, io.Closer, error) {
	f, err := s.Open(ctx, name)
	if err != nil || !s.head.Encrypted {
		return f, f, err
	}
	plain, err := s.keys.open(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return plain, f, nil
}

func put(ctx context.Context, t Target, name string, data []byte) error {
	return t.Put(ctx, name, int64(len(data)), bytes.NewReader(data))
}

// readAll reads an object of at most that many bytes.
func readAll(ctx context.Context, t Target, name string, most int64) ([]byte, error) {
	f, err := t.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return data, err
}
