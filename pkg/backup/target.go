package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Target is where a store is: a directory or object storage. Names are relative,
// with slashes, and of this package's own making. It may be used by several
// goroutines.
type Target interface {
	// Put writes an object of exactly that size (-1: unknown) and replaces one of the
	// name. After an error, also one of r, nothing is there that was not. It lasts
	// once Flush returned.
	Put(ctx context.Context, name string, size int64, r io.Reader) error
	// Flush makes what was put last.
	Flush(ctx context.Context) error
	// Open opens an object; one that is not there is fs.ErrNotExist.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List calls f for each object whose name begins with prefix, which ends with a
	// slash or is empty; one call at a time, in no order.
	List(ctx context.Context, prefix string, f func(Object) error) error
	// Remove removes an object; one that is not there is no error.
	Remove(ctx context.Context, name string) error
	// String is what the user calls it.
	String() string
	Close() error
}

// Object is an object of a target.
type Object struct {
	Name string
	Size int64
	// ModTime is when it was written, by the target's own clock.
	ModTime time.Time
}

// Access is what a target needs beside its name. It is secret.
type Access struct {
	AccessKey    string `json:"access_key,omitempty"`
	SecretKey    string `json:"secret_key,omitempty"`
	SessionToken string `json:"session_token,omitempty"`
	// Endpoint is an URL, https://s3.amazonaws.com if empty.
	Endpoint string `json:"endpoint,omitempty"`
	Region   string `json:"region,omitempty"`
	// CA are PEM certificates that the endpoint's is signed by; the system's if empty.
	CA []byte `json:"ca,omitempty"`
	// Proxy is an URL; the environment's if empty.
	Proxy string `json:"proxy,omitempty"`

	// For tests; 0: stallMost, partSize.
	stall time.Duration
	part  int64
}

// ErrUnreachable says that a target does not answer as it should, which tells
// nothing about what is in it.
var ErrUnreachable = errors.New("the backups cannot be reached")

// ErrTarget is about the name of a target.
var ErrTarget = errors.New("not a target for backups")

// OpenTarget opens a directory or s3://bucket/prefix. With create a directory that
// is not there is made; a bucket never.
func OpenTarget(dest string, a Access, create bool) (Target, error) {
	switch scheme, rest, ok := strings.Cut(dest, "://"); {
	case dest == "":
		return nil, fmt.Errorf("%w: it is empty", ErrTarget)
	case !ok:
		d, err := OpenDir(dest, create)
		if err != nil {
			return nil, err // not a *Dir that is nil
		}
		return d, nil
	case scheme == "s3":
		return openS3(rest, a)
	default:
		return nil, fmt.Errorf("%w: %s:// is not known; a directory or s3://bucket/prefix", ErrTarget, scheme)
	}
}

// IsDirectory tells whether a target's name is one of a directory.
func IsDirectory(dest string) bool { return !strings.Contains(dest, "://") }

// HasStore tells whether a directory holds backups.
func HasStore(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, headName))
	return err == nil && fi.Mode().IsRegular()
}
