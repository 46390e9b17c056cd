package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// json PATH WANT: the last command's standard output is one JSON document and
// has WANT at PATH, as in `json files[0].state edited`. WANT is JSON, or a string
// as such; `keys:a,b` are fields that an object has among others (they are only ever
// added), `lacks:a,b` fields that it has not, `len:3` is a list's length, and `*`
// anything that is there.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json PATH WANT")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var doc any
	ts.Check(dec.Decode(&doc))
	if err := dec.Decode(new(any)); err != io.EOF {
		ts.Fatalf("there is more than one JSON document on standard output")
	}
	got, err := walk(doc, args[0])
	if err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	if problem := compareJSON(got, args[1]); problem != "" {
		ts.Fatalf("%s: %s", args[0], problem)
	}
}

func walk(v any, path string) (any, error) {
	if path == "." {
		return v, nil
	}
	for part := range strings.SplitSeq(strings.ReplaceAll(path, "[", ".["), ".") {
		if index, ok := strings.CutPrefix(part, "["); ok {
			list, _ := v.([]any)
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i >= len(list) {
				return nil, fmt.Errorf("no element %s in %v", part, v)
			}
			v = list[i]
			continue
		}
		object, _ := v.(map[string]any)
		value, ok := object[part]
		if !ok {
			return nil, fmt.Errorf("no field %q in %v", part, v)
		}
		v = value
	}
	return v, nil
}

func compareJSON(got any, want string) string {
	if want == "*" {
		return ""
	}
	if number, ok := strings.CutPrefix(want, "len:"); ok {
		list, isList := got.([]any)
		if n, err := strconv.Atoi(number); err != nil || !isList || len(list) != n {
			return fmt.Sprintf("is %v, want a list of %s", got, number)
		}
		return ""
	}
	for prefix, there := range map[string]bool{"keys:": true, "lacks:": false} {
		names, ok := strings.CutPrefix(want, prefix)
		if !ok {
			continue
		}
		object, _ := got.(map[string]any)
		for name := range strings.SplitSeq(names, ",") {
			if _, has := object[name]; has != there || object == nil {
				return fmt.Sprintf("has the fields %v, want %s", sortedKeys(object), want)
			}
		}
		return ""
	}
	if text, ok := got.(string); ok && text == want {
		return ""
	}
	if data, err := json.Marshal(got); err != nil || string(data) != want {
		return fmt.Sprintf("is %s, want %s", data, want)
	}
	return ""
}
