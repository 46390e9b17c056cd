package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

type result struct {
	Name  string   `json:"name"`
	Items []string `json:"items"`
}

func (r result) Text(w io.Writer) { fmt.Fprintf(w, "name: %s\n", r.Name) }

func TestResult(t *testing.T) {
	r := result{Name: `<a> & "b"`, Items: []string{}}
	var out, errs bytes.Buffer
	u := UI{Out: &out, Err: &errs}
	if err := u.Result(r); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "name: <a> & \"b\"\n"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	out.Reset()
	u.JSON = true
	if err := u.Result(r); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "{\n  \"name\": \"<a> & \\\"b\\\"\",\n  \"items\": []\n}\n"; got != want {
		t.Errorf("JSON %q, want %q", got, want)
	}
	dec := json.NewDecoder(&out)
	var one result
	if err := dec.Decode(&one); err != nil || one.Name != r.Name {
		t.Errorf("read back %+v, %v", one, err)
	}
	if err := dec.Decode(&one); err != io.EOF {
		t.Errorf("more than one document: %v", err)
	}
	if errs.Len() > 0 {
		t.Errorf("on standard error: %q", errs.String())
	}
}

// A result that could not be delivered is not a success.
func TestResultNotDelivered(t *testing.T) {
	full := errors(func(p []byte) (int, error) { return 0, io.ErrShortWrite })
	for _, asJSON := range []bool{false, true} {
		u := UI{Out: full, JSON: asJSON}
		if err := u.Result(result{}); err != io.ErrShortWrite {
			t.Errorf("JSON %v: error %v", asJSON, err)
		}
	}
}

type errors func([]byte) (int, error)

func (f errors) Write(p []byte) (int, error) { return f(p) }

func TestProgress(t *testing.T) {
	tests := []struct {
		quiet, verbose bool
		want           string
	}{
		{false, false, "step 50%\nwarning: warn x\n"},
		{false, true, "step 50%\ndetail\nwarning: warn x\n"},
		{true, false, "warning: warn x\n"},
		{true, true, "warning: warn x\n"},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		u := UI{Out: &out, Err: &errs, Quiet: tt.quiet, Verbose: tt.verbose}
		u.Step("step %d%%", 50)
		u.Detail("detail")
		u.Warn("warn %s", "x")
		if errs.String() != tt.want {
			t.Errorf("quiet %v, verbose %v: %q, want %q", tt.quiet, tt.verbose, errs.String(), tt.want)
		}
		if out.Len() > 0 {
			t.Errorf("progress on standard output: %q", out.String())
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	Table(&out, [][]string{{"NAME", "STATE", ""}, {"a", "running, healthy"}, {"longer name", "", "x"}})
	want := "NAME         STATE\na            running, healthy\nlonger name                    x\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	Table(&out, nil)
	if out.Len() > 0 {
		t.Errorf("an empty table is %q", out.String())
	}
}

func TestBytes(t *testing.T) {
	tests := map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB",
		1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 10 << 30: "10.0 GiB", 1<<30 - 1<<19: "1023.5 MiB",
		3 << 40: "3.0 TiB", 1 << 50: "1.0 PiB", 1 << 60: "1024.0 PiB",
	}
	for n, want := range tests {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
