package smoke_test

import (
	"context"
	"encoding/base64"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/smoke"
)

var order = []string{
	smoke.StepConnect, smoke.StepTLS, smoke.StepChallenge, smoke.StepLogin, smoke.StepUpload,
	smoke.StepPushImage, smoke.StepPushIndex, smoke.StepPullImage, smoke.StepPullIndex,
	smoke.StepDelete, smoke.StepGone,
}

func names(steps []smoke.Step) (all []string) {
	for _, s := range steps {
		all = append(all, s.Name)
	}
	return all
}

// failed returns the steps that failed.
func failed(steps []smoke.Step) (all []smoke.Step) {
	for _, s := range steps {
		if s.Err != nil {
			all = append(all, s)
		}
	}
	return all
}

func TestPasses(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run("http2="+strconv.FormatBool(h2), func(t *testing.T) {
			f := newFront(t)
			if h2 {
				f = newHTTP2Front(t)
			}
			var reported []smoke.Step
			res, err := smoke.Run(t.Context(), f.target(), func(s smoke.Step) { reported = append(reported, s) })
			if err != nil {
				t.Fatal(err)
			}
			if got := names(res.Steps); !slices.Equal(got, order) {
				t.Errorf("steps %q, want %q", got, order)
			}
			if !slices.Equal(names(reported), names(res.Steps)) {
				t.Errorf("reported %q", names(reported))
			}
			for _, s := range res.Steps {
				if s.Err != nil || s.Cause != "" || s.Meaning != "" || s.Detail == "" || s.Duration <= 0 {
					t.Errorf("a passed step is %+v", s)
				}
			}
			wantProtocol := map[bool]string{false: "http/1.1", true: "h2"}[h2]
			if !strings.Contains(res.Steps[1].Detail, wantProtocol) || !strings.Contains(res.Steps[1].Detail, `"test CA"`) {
				t.Errorf("tls tells %q", res.Steps[1].Detail)
			}
			if res.Repository != host+"/regctl/smoke" || !strings.HasPrefix(res.ImageDigest, "sha256:") ||
				!strings.HasPrefix(res.IndexDigest, "sha256:") || res.Bytes < 256<<10+3*64<<10 || len(res.Leftovers) != 0 {
				t.Errorf("result %+v", res)
			}
			if left := f.contents(); len(left) != 0 {
				t.Errorf("left in the registry: %q", left)
			}
			if f.aborted != 0 {
				t.Errorf("%d uploads aborted, which the registry never cleans up after", f.aborted)
			}
		})
	}
}

func TestMeanings(t *testing.T) {
	reached := map[smoke.Cause]bool{}
	for _, c := range faultCases() {
		t.Run(c.name, func(t *testing.T) {
			if c.leaf.names == nil {
				c.leaf.names = []string{host}
			}
			var faults []wrap
			if c.fault != nil {
				faults = append(faults, c.fault)
			}
			f := newFrontWith(t, c.leaf, faults...)
			target := f.target()
			if c.aim != nil {
				c.aim(t, &target)
			}
			res, err := smoke.Run(t.Context(), target, nil)
			if err == nil {
				t.Fatal("passed")
			}
			bad := failed(res.Steps)
			if len(bad) == 0 {
				t.Fatalf("no step failed, but: %v", err)
			}
			if bad[0].Name != c.step || bad[0].Cause != c.cause {
				t.Fatalf("step %q fails for %q, want %q for %q: %v", bad[0].Name, bad[0].Cause, c.step, c.cause, bad[0].Err)
			}
			reached[c.cause] = true
			checkFailure(t, err, res, bad[0])

			if left := f.contents(); len(left) > 0 != c.left {
				t.Errorf("left in the registry: %q", left)
			}
			if c.step == smoke.StepDelete && (len(bad) != 1 || len(res.Leftovers) == 0 || !strings.Contains(bad[0].Detail, res.Leftovers[0])) {
				t.Errorf("after a refused delete: %d failed steps, leftovers %q, told %q", len(bad), res.Leftovers, bad[0].Detail)
			}
			if !c.left && (len(bad) > 1 || len(res.Leftovers) > 0) {
				t.Errorf("clean up failed: %+v, leftovers %q", bad[1:], res.Leftovers)
			}
		})
	}
	if t.Failed() {
		return
	}
	for _, cause := range allCauses(t) {
		// The rest has tests of its own below and in cause_test.go.
		if !reached[cause] && cause != smoke.CauseInterrupted && cause != smoke.CauseUnreachable && cause != smoke.CauseOther {
			t.Errorf("no fault reaches %q", cause)
		}
	}
}

// checkFailure checks what holds of every failed run.
func checkFailure(t *testing.T, err error, res smoke.Result, bad smoke.Step) {
	t.Helper()
	if !strings.HasPrefix(err.Error(), bad.Name+": ") || advice.Of(err) != advice.Of(bad.Err) {
		t.Errorf("error %q, hint %q; step %q, hint %q", err, advice.Of(err), bad.Err, advice.Of(bad.Err))
	}
	if bad.Meaning == "" || advice.Of(bad.Err) == "" {
		t.Errorf("%q has the meaning %q and the hint %q", bad.Cause, bad.Meaning, advice.Of(bad.Err))
	}
	for i, s := range res.Steps {
		if s.Name != smoke.StepCleanUp && (i >= len(order) || s.Name != order[i]) {
			t.Errorf("step %d is %q", i, s.Name)
		}
	}
	words := err.Error() + bad.Meaning + advice.Of(err)
	for _, never := range []string{password, "\n", "\r", "<html>", "_state", uploadState, base64.StdEncoding.EncodeToString([]byte(user + ":" + password))} {
		if strings.Contains(words, never) {
			t.Errorf("%q is in %q", never, words)
		}
	}
}

// allCauses reads the constants, so that none is forgotten.
func allCauses(t *testing.T) (all []smoke.Cause) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Cause" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, smoke.Cause(value))
		}
		return true
	})
	if len(all) < 40 {
		t.Fatalf("only %d causes found", len(all))
	}
	return all
}

func TestTwoAtOnce(t *testing.T) {
	f := newFront(t)
	type outcome struct {
		res smoke.Result
		err error
	}
	done := make(chan outcome, 2)
	for range 2 {
		go func() {
			res, err := smoke.Run(t.Context(), f.target(), nil)
			done <- outcome{res, err}
		}()
	}
	a, b := <-done, <-done
	if err := errors.Join(a.err, b.err); err != nil {
		t.Fatal(err)
	}
	if a.res.ImageTag == b.res.ImageTag || a.res.IndexTag == b.res.IndexTag || a.res.ImageDigest == b.res.ImageDigest || a.res.IndexDigest == b.res.IndexDigest {
		t.Errorf("two runs share a tag or a digest: %+v, %+v", a.res, b.res)
	}
	if left := f.contents(); len(left) != 0 {
		t.Errorf("left in the registry: %q", left)
	}
}

// A fault that comes and goes is a fault: nothing is tried twice.
func TestNoRetries(t *testing.T) {
	for _, c := range []struct {
		method, path, step string
		cause              smoke.Cause
	}{
		{"PATCH", "/uploads/", smoke.StepPushImage, smoke.CauseBrokenOff},
		{"PUT", "/manifests/", smoke.StepPushImage, smoke.CauseBackend},
		{"GET", "/blobs/", smoke.StepPullImage, smoke.CauseBackend},
		{"DELETE", "/blobs/", smoke.StepDelete, smoke.CauseBackend},
	} {
		asked := 0
		f := newFront(t, when(on(c.method, c.path), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if asked++; asked > 1 {
				next.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusBadGateway)
		}))
		res, err := smoke.Run(t.Context(), f.target(), nil)
		bad := failed(res.Steps)
		if err == nil || len(bad) != 1 || bad[0].Name != c.step || bad[0].Cause != c.cause {
			t.Errorf("one 502 to %s %s: %v", c.method, c.path, err)
		}
		if left := f.contents(); len(left) != 0 {
			t.Errorf("one 502 to %s %s: left in the registry: %q", c.method, c.path, left)
		}
	}
}

func TestBadTarget(t *testing.T) {
	good := smoke.Target{Host: host, Username: user, Password: password}
	for _, c := range []struct {
		name   string
		change func(*smoke.Target)
	}{
		{"no host", func(t *smoke.Target) { t.Host = "" }},
		{"scheme", func(t *smoke.Target) { t.Host = "https://registry.test" }},
		{"path", func(t *smoke.Target) { t.Host = "registry.test/v2" }},
		{"user in host", func(t *smoke.Target) { t.Host = "a:b@registry.test" }},
		{"query", func(t *smoke.Target) { t.Host = "registry.test?a" }},
		{"space", func(t *smoke.Target) { t.Host = "registry test" }},
		{"port 0", func(t *smoke.Target) { t.Host = "registry.test:0" }},
		{"port 65536", func(t *smoke.Target) { t.Host = "registry.test:65536" }},
		{"empty port", func(t *smoke.Target) { t.Host = "registry.test:" }},
		{"only a port", func(t *smoke.Target) { t.Host = ":443" }},
		{"address without port", func(t *smoke.Target) { t.DialAddr = "127.0.0.1" }},
		{"repository in capitals", func(t *smoke.Target) { t.Repository = "Team/App" }},
		{"repository with a tag", func(t *smoke.Target) { t.Repository = "team/app:1" }},
		{"no user", func(t *smoke.Target) { t.Username = "" }},
		{"colon in user", func(t *smoke.Target) { t.Username = "a:b" }},
		{"no password", func(t *smoke.Target) { t.Password = "" }},
		{"negative size", func(t *smoke.Target) { t.Size = -1 }},
		{"negative timeout", func(t *smoke.Target) { t.Timeout = -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := good
			c.change(&target)
			res, err := smoke.Run(t.Context(), target, func(s smoke.Step) { t.Errorf("step %q was run", s.Name) })
			if !errors.Is(err, smoke.ErrTarget) || len(res.Steps) != 0 {
				t.Errorf("%v, %+v", err, res)
			}
		})
	}
}

func TestEndedBeforeItBegan(t *testing.T) {
	f := newFront(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res, err := smoke.Run(ctx, f.target(), nil)
	if !errors.Is(err, context.Canceled) || len(res.Steps) != 1 || res.Steps[0].Cause != smoke.CauseInterrupted {
		t.Errorf("%v, %+v", err, res.Steps)
	}
}
