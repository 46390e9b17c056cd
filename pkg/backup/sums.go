package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// sums are the lines of SHA256SUMS, by name.
type sums map[string]string

func (s *Store) readSums(ctx context.Context, id string) (sums, error) {
	text, err := readAll(ctx, s, s.snapshotName(id, sumsName), 64<<10)
	if err != nil {
		return nil, err
	}
	return parseSums(text)
}

var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9.-]*)$`)

func parseSums(text []byte) (sums, error) {
	out := sums{}
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, fmt.Errorf("%w: %s is cut off", ErrSnapshot, sumsName)
	}
	for line := range strings.Lines(string(text)) {
		m := sumLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || out[m[2]] != "" {
			return nil, fmt.Errorf("%w: a line of %s is none", ErrSnapshot, sumsName)
		}
		out[m[2]] = m[1]
	}
	if out[summaryName] == "" {
		return nil, fmt.Errorf("%w: %s does not name %s", ErrSnapshot, sumsName, summaryName)
	}
	return out, nil
}

func (m sums) text() []byte {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	var b bytes.Buffer
	for _, n := range names {
		fmt.Fprintf(&b, "%s  %s\n", m[n], n)
	}
	return b.Bytes()
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
