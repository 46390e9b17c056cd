package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
)

// part opens one of a snapshot's objects, decrypted and unpacked. Closing it
// compares what was read with the sum, so that nothing of it may be believed
// before.
func (s *Store) part(ctx context.Context, id, name string) (*part, error) {
	m, err := s.readSums(ctx, id)
	if err != nil {
		return nil, err
	}
	sealed := s.head.Encrypted && name != blobsName
	if sealed {
		name += sealedSuffix
	}
	want := m[name]
	if want == "" {
		return nil, fmt.Errorf("%w: there is no %s", ErrSnapshot, name)
	}
	f, err := s.Open(ctx, s.snapshotName(id, name))
	if err != nil {
		return nil, err
	}
	p := &part{f: f, sum: sha256.New(), want: want, name: id + "/" + name}
	p.raw = io.TeeReader(f, p.sum)
	plain := p.raw
	if sealed {
		if plain, err = s.keys.open(p.raw); err != nil {
			return nil, p.blame(err)
		}
	}
	if p.zip, err = gzip.NewReader(plain); err != nil {
		return nil, p.blame(fmt.Errorf("%w: %w", ErrSnapshot, err))
	}
	return p, nil
}

type part struct {
	f    io.Closer
	raw  io.Reader
	zip  *gzip.Reader
	sum  hash.Hash
	want string
	name string
}

func (p *part) Read(b []byte) (int, error) { return p.zip.Read(b) }

// blame finds out whether an error comes from damage, and closes the part.
func (p *part) blame(err error) error {
	if sum := p.checkSum(); sum != nil {
		err = sum
	} else {
		err = fmt.Errorf("%s: %w", p.name, err)
	}
	return errors.Join(err, p.f.Close())
}

// check reads what is left and compares the sum.
func (p *part) check() error {
	defer p.f.Close()
	if _, err := io.Copy(io.Discard, p.zip); away(err) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSnapshot, p.name, err)
	}
	return p.checkSum()
}

func (p *part) checkSum() error {
	if _, err := io.Copy(io.Discard, p.raw); away(err) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSnapshot, p.name, err)
	}
	if hex.EncodeToString(p.sum.Sum(nil)) != p.want {
		return fmt.Errorf("%w: %s does not match its sum", ErrSnapshot, p.name)
	}
	return nil
}

// listing reads a snapshot's listing, or its list of blobs. What it called to with has to be taken back
// when it returns an error: the sum is only known at the end.
func (s *Store) listing(ctx context.Context, id, name string, to listingReader) error {
	p, err := s.part(ctx, id, name)
	if err != nil {
		return err
	}
	err = readListing(p, to)
	if errSum := p.check(); errSum != nil && (err == nil || errors.Is(err, ErrListing)) {
		return errSum
	}
	return err
}
