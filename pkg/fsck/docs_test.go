package fsck

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/fsck.md")

// docs/fsck.md has every finding, as the code has it.
func TestDocumentedFindings(t *testing.T) {
	const path = "../../docs/fsck.md"
	const heading = "| ID | severity | what | what mends it |\n|---|---|---|---|\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), heading)
	if !ok {
		t.Fatalf("no table in %s", path)
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	var table strings.Builder
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.ID] {
			t.Errorf("%s is there twice", k.ID)
		}
		seen[k.ID] = true
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", k.ID, k.Severity, k.Meaning, k.Mends)
	}
	want := before + heading + table.String()
	if after != "" {
		want += "\n" + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Errorf("%s is out of date: go test ./pkg/fsck -update", path)
	}
}
