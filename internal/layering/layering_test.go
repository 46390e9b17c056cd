// Package layering has no code: its tests keep the module's packages apart, as
// the table of the layout says who may import whom.
package layering

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// mayImport names, for each package, the packages of this module that it may
// import. One that is not listed here fails the test: a new package says where it
// belongs.
var mayImport = map[string][]string{
	"cmd/regctl":              {"internal/cli"},
	"internal/cli":            {"internal/ui", "pkg/*"},
	"internal/docgen":         {"internal/cli", "pkg/config", "pkg/doctor"},
	"internal/pebble":         {},
	"internal/ui":             {},
	"templates":               {},
	"pkg/advice":              {},
	"pkg/doctor":              {},
	"pkg/audit":               {"pkg/durable"},
	"pkg/drill":               {"pkg/storage", "pkg/tail"},
	"pkg/durable":             {},
	"pkg/lock":                {"pkg/durable"},
	"pkg/config":              {"pkg/advice", "pkg/cron", "pkg/pattern"},
	"pkg/cron":                {},
	"pkg/compose":             {"pkg/advice", "pkg/config", "pkg/durable", "pkg/hold", "pkg/tail", "templates"},
	"pkg/hold":                {"pkg/durable"},
	"pkg/pipeline":            {"templates"},
	"pkg/schedule":            {"pkg/advice", "pkg/cron", "pkg/durable", "templates"},
	"pkg/accesslog":           {},
	"pkg/inventory":           {"pkg/storage"},
	"pkg/retention":           {"pkg/pattern"},
	"pkg/pattern":             {},
	"pkg/users":               {"pkg/advice", "pkg/durable", "pkg/lock", "pkg/pattern"},
	"pkg/backup":              {"pkg/advice", "pkg/durable", "pkg/lock", "pkg/storage"},
	"pkg/certs":               {"pkg/advice", "pkg/durable"},
	"pkg/certs/acme":          {"pkg/advice", "pkg/certs", "pkg/durable"},
	"pkg/certs/preflight":     {},
	"pkg/certs/renewal":       {"pkg/certs", "pkg/durable"},
	"pkg/engine":              {"pkg/advice", "pkg/tail"},
	"pkg/frontdoor":           {},
	"pkg/smoke":               {"pkg/advice"},
	"pkg/gc":                  {"pkg/advice", "pkg/durable", "pkg/hold", "pkg/lock", "pkg/storage"},
	"pkg/storage":             {"pkg/advice"},
	"pkg/tail":                {},
	"pkg/fsck":                {"pkg/durable", "pkg/gc", "pkg/lock", "pkg/storage"},
	"pkg/storage/storagetest": {"pkg/storage"},
	"pkg/gc/gctest":           {"pkg/storage", "pkg/storage/storagetest"},
}

// only names the packages that may import a library, so that it can be replaced
// in one place. Tests may use any.
var only = map[string][]string{
	"filippo.io/age":                         {"pkg/backup"},
	"github.com/docker/docker":               {"pkg/engine"},
	"github.com/docker/cli":                  {},
	"github.com/go-acme/lego":                {"pkg/certs/acme"},
	"github.com/compose-spec/compose-go":     {"pkg/compose"},
	"github.com/gofrs/flock":                 {"pkg/lock"},
	"github.com/miekg/dns":                   {"internal/pebble", "pkg/certs/preflight"},
	"github.com/google/go-containerregistry": {"pkg/fsck", "pkg/smoke"},
	"github.com/klauspost/compress":          {"pkg/backup"},
	"github.com/letsencrypt":                 {"internal/pebble"},
	"github.com/minio/minio-go":              {"pkg/backup"},
	"github.com/spf13/cobra":                 {"internal/cli", "internal/docgen"},
	"go.yaml.in/yaml":                        {"pkg/config"},
	"golang.org/x/crypto/bcrypt":             {"pkg/users"},
	"golang.org/x/term":                      {"internal/ui"},
	"testing":                                {},
}

func TestWhoImportsWhom(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test || !regctl(s.pkg) || s.pkg == "internal/integration" {
			continue
		}
		seen[s.pkg] = true
		allowed, known := mayImport[s.pkg]
		if !known {
			t.Errorf("%s: the package %s is not in the table of this test", s.name, s.pkg)
			continue
		}
		for _, i := range s.imports {
			inside, ours := strings.CutPrefix(i, module+"/")
			used[s.pkg+" "+inside] = true
			if ours && !slices.ContainsFunc(allowed, func(a string) bool {
				return a == inside || strings.HasSuffix(a, "/*") && strings.HasPrefix(inside, strings.TrimSuffix(a, "*"))
			}) {
				t.Errorf("%s imports %s: %s may import %v", s.name, inside, s.pkg, allowed)
			}
			for library, who := range only {
				if (i == library || strings.HasPrefix(i, library+"/")) && !slices.Contains(who, s.pkg) {
					t.Errorf("%s imports %s: %v alone may", s.name, i, who)
				}
			}
		}
	}
	for pkg, allowed := range mayImport {
		if !seen[pkg] {
			t.Errorf("there is no package %s any more", pkg)
		}
		for _, a := range allowed {
			if !strings.HasSuffix(a, "/*") && !used[pkg+" "+a] {
				t.Errorf("%s does not import %s any more", pkg, a)
			}
		}
	}
}

// A library's tests too must do without what is above it.
func TestPackagesDoNotImportTheCommand(t *testing.T) {
	for _, s := range sources(t) {
		for _, i := range s.imports {
			if strings.HasPrefix(s.pkg, "pkg/") && strings.HasPrefix(i, module+"/internal/") {
				t.Errorf("%s imports %s", s.name, i)
			}
		}
	}
}

// Libraries return what is to be said; the command line says it.
func TestPackagesDoNotPrint(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !strings.HasPrefix(s.pkg, "pkg/") && s.pkg != "templates" {
			continue
		}
		for _, i := range s.imports {
			if i == "log" || i == "log/slog" || i == "flag" {
				t.Errorf("%s imports %s", s.name, i)
			}
		}
		for _, name := range s.uses("fmt") {
			if strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan") && !strings.HasPrefix(name, "Sscan") && !strings.HasPrefix(name, "Scann") {
				t.Errorf("%s uses fmt.%s", s.name, name)
			}
		}
		for _, name := range s.uses("os") {
			if slices.Contains([]string{"Stdin", "Stdout", "Stderr", "Exit", "Args"}, name) {
				t.Errorf("%s uses os.%s", s.name, name)
			}
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s calls the built-in %s", s.name, f.Name)
				}
			}
			return true
		})
	}
}

// inPlace are the files that may write without pkg/durable, and why.
var inPlace = map[string]string{
	"pkg/drill/list.go":               "it lies in a volume that is thrown away",
	"pkg/drill/registry.go":           "its configuration is removed with its directory",
	"pkg/lock/lock.go":                "the lock is on the inode, which a rename would replace",
	"pkg/certs/archive.go":            "what is renamed there is removed next",
	"pkg/storage/storagetest/tree.go": "it builds trees that only tests use",
}

// What is kept is written so that a crash at any instant does no harm.
func TestFilesAreWrittenDurably(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.pkg == "pkg/durable" || !strings.HasPrefix(s.pkg, "pkg/") && s.pkg != "internal/cli" {
			continue
		}
		for _, name := range s.uses("os") {
			switch name {
			case "WriteFile", "Create", "Rename", "Symlink", "Link", "Mkdir", "MkdirAll", "Truncate":
				if inPlace[s.name] == "" {
					t.Errorf("%s uses os.%s", s.name, name)
				}
			}
		}
	}
}

func TestNoHiddenWiring(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !regctl(s.pkg) {
			continue
		}
		for _, d := range s.syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", s.name)
			}
		}
		for _, i := range s.syntax.Imports {
			if i.Name != nil && (i.Name.Name == "." || i.Name.Name == "_" && i.Path.Value != `"embed"`) {
				t.Errorf("%s imports %s as %s", s.name, i.Path.Value, i.Name.Name)
			}
		}
	}
}

func TestPackagesExplainThemselves(t *testing.T) {
	explained := map[string]bool{}
	for _, s := range sources(t) {
		if !regctl(s.pkg) {
			continue
		}
		if doc := s.syntax.Doc.Text(); !s.test && (strings.HasPrefix(doc, "Package ") || strings.HasPrefix(doc, "Command ")) {
			explained[s.pkg] = true
		} else if !explained[s.pkg] {
			explained[s.pkg] = false
		}
	}
	for pkg, ok := range explained {
		if !ok && pkg != "internal/integration" && pkg != "internal/layering" {
			t.Errorf("%s has no doc comment", pkg)
		}
	}
	vague := []string{"util", "utils", "helper", "helpers", "common", "misc", "base"}
	for pkg := range explained {
		if slices.Contains(vague, pkg[strings.LastIndex(pkg, "/")+1:]) {
			t.Errorf("%s says nothing of what it is", pkg)
		}
	}
}

// regctl tells the product's packages from its tools.
func regctl(pkg string) bool {
	return pkg == "templates" || strings.HasPrefix(pkg, "pkg/") || strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "internal/")
}
