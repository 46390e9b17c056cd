package cli

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/config"
)

// results are the documents that --json prints, by command.
var results = []struct {
	command string
	value   any
}{
	{"init", initResult{}},
	{"up", upResult{}},
	{"down, restart", stackResult{}},
	{"status", statusResult{}},
	{"doctor", doctorResult{}},
	{"smoke", smokeResult{}},
	{"config", config.Config{}},
	{"config validate", validateResult{}},
	{"diff", diffResult{}},
	{"render", renderResult{}},
	{"user add", userAddResult{}},
	{"user passwd, user rm", userResult{}},
	{"user grant, user revoke", grantResult{}},
	{"user ls", userList{}},
	{"user check", checkResult{}},
	{"cert issue, cert renew, cert import", certResult{}},
	{"cert status", certStatusResult{}},
	{"gc, repo rm, tag rm", gcResult{}},
	{"fsck", fsckResult{}},
	{"backup create", createResult{}},
	{"backup ls", snapshotList{}},
	{"backup verify", verifyResult{}},
	{"backup drill", drillResult{}},
	{"backup forget", forgetResult{}},
	{"backup prune", pruneResult{}},
	{"backup export", exportResult{}},
	{"backup unlock", unlockResult{}},
	{"restore", restoreResult{}},
	{"gc undo", undoResult{}},
	{"gc purge", purgeResult{}},
	{"ci github, ci gitlab, ci generic", ciResult{}},
	{"repo ls", repoList{}},
	{"tag ls", tagList{}},
	{"schedule install, schedule show, schedule remove", scheduleResult{}},
	{"audit", auditResult{}},
	{"images save", imagesSaved{}},
	{"images load", imagesLoaded{}},
	{"version", versionInfo{}},
}

// JSONReference is docs/json.md: every field that --json can print.
func JSONReference() string {
	var b strings.Builder
	b.WriteString(`# JSON

With ` + "`--json`" + ` a command prints one JSON document on standard output and nothing else there. Fields are only ever
added. Times are RFC 3339, sizes bytes; a list is empty rather than null. ` + "`logs --json`" + ` prints the services' own lines, which
are JSON; ` + "`config schema`" + ` prints a JSON schema either way.
`)
	for _, r := range results {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | meaning |\n|---|---|---|\n", r.command)
		fields(&b, "", reflect.TypeOf(r.value))
	}
	return b.String()
}

var timeType = reflect.TypeFor[time.Time]()

func fields(b *strings.Builder, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous { // its fields stand beside the others
			fields(b, prefix, f.Type)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		kind, inner, path := jsonType(f.Type), f.Type, prefix+name
		for inner != timeType && (inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice) {
			if inner.Kind() == reflect.Slice {
				path += "[]"
			}
			inner = inner.Elem()
		}
		meaning := f.Tag.Get("doc")
		if strings.Contains(options, "omitempty") {
			meaning += " (left out when there is none)"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", prefix+name, kind, strings.TrimSpace(meaning))
		if inner.Kind() == reflect.Struct && inner != timeType {
			fields(b, path+".", inner)
		}
	}
}

func jsonType(t reflect.Type) string {
	if t == timeType {
		return "time"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem()) + " or null"
	case reflect.Slice:
		return "list of " + jsonType(t.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		if t.PkgPath() != "" {
			return "string" // a duration, written as text
		}
		return "number"
	}
	return "string"
}
