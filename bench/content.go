package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// content is the bytes of a blob: a block that looks random, over and over. A
// blob of a GiB then takes no memory worth speaking of, and nothing on its way
// compresses, so that the repetition does not show.
type content struct {
	size  int64
	block []byte
	sum   func() string
}

const blockSize = 1 << 20

// newContent makes a blob; another seed gives another digest.
func newContent(seed uint64, size int64) *content {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	c := &content{size: size, block: make([]byte, min(size, blockSize))}
	rand.NewChaCha8(key).Read(c.block)
	c.sum = sync.OnceValue(func() string {
		h := sha256.New()
		c.writeTo(h) // a hash never fails
		return fmt.Sprintf("sha256:%x", h.Sum(nil))
	})
	return c
}

// contentOf makes a blob of given bytes.
func contentOf(text []byte) *content {
	return &content{size: int64(len(text)), block: text, sum: func() string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }}
}

// digest takes half a second for a GiB, the first time.
func (c *content) digest() string { return c.sum() }

func (c *content) writeTo(w io.Writer) error {
	for left := c.size; left > 0; left -= int64(len(c.block)) {
		if _, err := w.Write(c.block[:min(left, int64(len(c.block)))]); err != nil {
			return err
		}
	}
	return nil
}

// chunks writes the blob in HTTP's chunked form, at a pace (bytes a second, 0 for
// as fast as it goes).
func (c *content) chunks(w io.Writer, pace int64) error {
	began, sent := time.Now(), int64(0)
	for sent < c.size {
		part := c.block[:min(c.size-sent, int64(len(c.block)))]
		if _, err := fmt.Fprintf(w, "%x\r\n", len(part)); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\r\n"); err != nil {
			return err
		}
		sent += int64(len(part))
		keepPace(began, sent, pace)
	}
	_, err := io.WriteString(w, "0\r\n\r\n")
	return err
}
