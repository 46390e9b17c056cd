package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodJUnit = `<testsuites time="0.5" tests="5" failures="1" skipped="1">
  <testsuite name="OCI Conformance Test" tests="5" failures="1" errors="0" skipped="1" time="0.5">
    <testcase name="OCI Conformance Test/ping" classname="" time="0.001" status="passed">
      <system-err>Status: 401&#xA;Headers:&#xA;====&#xA;Status: 200&#xA;Headers:&#xA;</system-err>
    </testcase>
    <testcase name="OCI Conformance Test/image/pull/blob-get" time="0.2" status="passed">
      <system-err>GET sha256:0123 &lt;testcase name="no test"&gt;</system-err>
    </testcase>
    <testcase name="OCI Conformance Test/empty/referrers" time="0.1" status="failure">
      <system-out>received 404</system-out>
    </testcase>
    <testcase name="OCI Conformance Test/image/pull/blob-get" time="0.1" status="passed"></testcase>
    <testcase name="OCI Conformance Test/sha512 blobs/mount" time="0.1" status="skipped"></testcase>
  </testsuite>
</testsuites>`

const goodYAML = `config:
  registry: 127.0.0.1:5000
apis:
  Referrers: FAIL
  Ping: Pass
data:
  Image: Pass
  Tag Param: Disabled
`

const goodList = `pass api Ping
fail api Referrers
pass data Image
disabled data Tag Param
fail test empty/referrers
pass test image/pull/blob-get
pass test image/pull/blob-get
pass test ping
skip test sha512 blobs/mount
`

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name        string
		junit, yaml string // "-": no such file
		status      int
		stdout      string
		stderr      string // contained
	}{
		{name: "whole run", junit: goodJUnit, yaml: goodYAML, stdout: goodList},
		{
			name: "other order, times and messages",
			junit: strings.NewReplacer(`time="0.1"`, `time="9.9"`, "sha256:0123", "sha256:4567", "received 404", "received 400").
				Replace(swapTests(goodJUnit, "empty/referrers", "sha512 blobs/mount")),
			yaml:   goodYAML,
			stdout: goodList,
		},
		{
			name:  "another verdict",
			junit: strings.Replace(goodJUnit, `time="0.2" status="passed"`, `time="0.2" status="failure"`, 1),
			yaml:  goodYAML,
			stdout: strings.Replace(goodList, "pass test image/pull/blob-get\n",
				"fail test image/pull/blob-get\n", 1),
		},
		{
			name:   "an error outside any test",
			junit:  strings.Replace(goodJUnit, `errors="0"`, `errors="1"`, 1),
			yaml:   goodYAML,
			stdout: strings.Replace(goodList, "fail test empty", "error test (the runner itself)\nfail test empty", 1),
		},
		{
			name: "no answer",
			junit: strings.Replace(goodJUnit, `time="0.001" status="passed">`,
				`time="0.001" status="failure"><system-out>connection&#xA;refused</system-out>`, 1),
			yaml: goodYAML, status: 1, stderr: "GET /v2/: connection; refused\n",
		},
		{
			name:  "wrong password",
			junit: strings.Replace(goodJUnit, "Status: 200", "Status: 401", 1),
			yaml:  goodYAML, status: 1, stderr: "GET /v2/: status 401\n",
		},
		{
			name:  "ping without a status",
			junit: strings.NewReplacer("Status: 200", "", "Status: 401", "").Replace(goodJUnit),
			yaml:  goodYAML, status: 1, stderr: "GET /v2/: no status in the report\n",
		},
		{
			name:   "ping left out",
			junit:  strings.NewReplacer(`time="0.001" status="passed"`, `status="skipped"`, "Status: ", "").Replace(goodJUnit),
			yaml:   goodYAML,
			stdout: strings.Replace(goodList, "pass test ping", "skip test ping", 1),
		},
		{
			name:  "unknown status",
			junit: strings.Replace(goodJUnit, `status="skipped"`, `status="maybe"`, 1),
			yaml:  goodYAML, status: 1, stderr: `test "OCI Conformance Test/sha512 blobs/mount": unknown status "maybe"`,
		},
		{name: "no tests", junit: `<testsuites><testsuite></testsuite></testsuites>`, yaml: goodYAML, status: 1, stderr: "no test was run"},
		{name: "no junit.xml", junit: "-", yaml: goodYAML, status: 1, stderr: "junit.xml"},
		{name: "no results.yaml", junit: goodJUnit, yaml: "-", status: 1, stderr: "results.yaml"},
		{name: "cut short", junit: goodJUnit[:len(goodJUnit)/2], yaml: goodYAML, status: 1, stderr: "junit.xml: "},
		{name: "empty", junit: "", yaml: goodYAML, status: 1, stderr: "junit.xml: "},
		{name: "damaged results.yaml", junit: goodJUnit, yaml: "apis: [", status: 1, stderr: "results.yaml: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range map[string]string{"junit.xml": tt.junit, "results.yaml": tt.yaml} {
				if content == "-" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var stdout, stderr bytes.Buffer
			if got := run([]string{dir}, &stdout, &stderr); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if got := stdout.String(); got != tt.stdout {
				t.Errorf("stdout:\n%swant:\n%s", got, tt.stdout)
			}
			if got := stderr.String(); !strings.Contains(got, tt.stderr) || (tt.stderr == "") != (got == "") {
				t.Errorf("stderr: %q, want %q in it", got, tt.stderr)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}} {
		var stdout, stderr bytes.Buffer
		if got := run(args, &stdout, &stderr); got != 2 || stdout.Len() != 0 || !strings.HasPrefix(stderr.String(), "usage: ") {
			t.Errorf("run(%q): status %d, stdout %q, stderr %q", args, got, &stdout, &stderr)
		}
	}
}

// swapTests exchanges the places of two tests whose names occur once in a report.
func swapTests(report, a, b string) string {
	whole := func(name string) string {
		start := strings.LastIndex(report[:strings.Index(report, name)], "<testcase")
		return report[start : start+strings.Index(report[start:], "</testcase>")]
	}
	return strings.NewReplacer(whole(a), whole(b), whole(b), whole(a)).Replace(report)
}
