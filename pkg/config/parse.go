package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"

	"github.com/regctl/regctl/pkg/advice"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Load reads and parses the file at path. The error is *Invalid for what the
// file says, an advised fs.ErrNotExist when there is none, else that of the
// file system.
func Load(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, advice.With(err, "regctl init")
		}
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, err
	}
	c, err := Parse(data)
	var invalid *Invalid
	if errors.As(err, &invalid) {
		invalid.File = path
	}
	return c, err
}

// Parse reads a configuration and fills in every default. The error is
// *Invalid and lists every fault; the configuration is then nil.
func Parse(data []byte) (*Config, error) {
	root, fault := parseTree(data)
	if fault != nil {
		return nil, &Invalid{Faults: []Fault{*fault}}
	}
	c := Default()
	d := decode(root, reflect.ValueOf(c).Elem())
	bad := make(map[string]bool)
	for _, f := range d.faults {
		bad[f.Path] = true
	}
	derived := derive(c, d.lines)
	faults := d.faults
	for _, f := range c.faults(bad, derived) {
		f.Line = d.lineOf(f.Path)
		faults = append(faults, f)
	}
	if len(faults) > 0 {
		sortFaults(faults)
		return nil, &Invalid{Faults: faults}
	}
	return c, nil
}

// lineOf returns the line of the key at path or, for one that is left out, of
// the group it would be in.
func (d *decoder) lineOf(path string) int {
	for ; path != ""; path = parentPath(path) {
		if line, ok := d.lines[path]; ok {
			return line
		}
	}
	return 0
}
