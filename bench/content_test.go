package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestContentIsTheSameBytesHoweverItIsWritten(t *testing.T) {
	for _, size := range []int64{1, 1000, blockSize, blockSize + 1, 3*blockSize - 7} {
		c := newContent(7, size)
		var plain, chunked bytes.Buffer
		if err := c.writeTo(&plain); err != nil {
			t.Fatal(err)
		}
		if int64(plain.Len()) != size {
			t.Errorf("size %d: %d bytes written", size, plain.Len())
		}
		if want := fmt.Sprintf("sha256:%x", sha256.Sum256(plain.Bytes())); c.digest() != want {
			t.Errorf("size %d: digest %s, want %s", size, c.digest(), want)
		}
		if err := c.chunks(&chunked, 0); err != nil {
			t.Fatal(err)
		}
		head := "PATCH / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), &chunked)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || !bytes.Equal(body, plain.Bytes()) {
			t.Errorf("size %d: the chunks hold other bytes (%v)", size, err)
		}
	}
}

func TestContentOfAnotherSeedIsAnotherBlob(t *testing.T) {
	if newContent(1, 100).digest() == newContent(2, 100).digest() {
		t.Error("the same digest")
	}
}
