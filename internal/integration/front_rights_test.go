//go:build integration

package integration

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// everyone is the users of the table, by what they may do.
var everyone = map[string]allowance{
	"boss":    {admin: true},
	"dev":     {pull: []string{"team/**"}, push: []string{"team/**"}},
	"reader":  {pull: []string{"**"}},
	"pusher":  {push: []string{"team/app", "ci/*"}},
	"remover": {erase: []string{"team/**"}, pull: []string{"team/app"}},
	"mixed":   {pull: []string{"*/core"}, push: []string{"lib/*-x"}, erase: []string{"**/deep"}},
	"words":   {pull: []string{"**/manifests/*"}, push: []string{"blobs/**"}, erase: []string{"tags/list"}},
	"nobody":  {},
	"orphan":  {byHand: true},
	"ended":   {pull: []string{"**"}, push: []string{"**"}, erase: []string{"**"}, ended: true},
}

// repositories of the table: nested ones, and such that have words of the API
// in their names.
var repositories = []string{"team/app", "team/app/sub", "team-b/app", "secret/vault", "lib/core", "lib/a-x", "ci/job",
	"ci/job/deep", "team/manifests/v1", "blobs/uploads", "tags/list", "v2/v2"}

// people makes the users of the table.
func (f *front) people(t *testing.T) map[string]person {
	t.Helper()
	out := map[string]person{}
	// In this order, so that the one whose time is over comes first.
	for _, name := range append([]string{"ended"}, slices.Sorted(maps.Keys(everyone))...) {
		may := everyone[name]
		switch flags := may.flags(); {
		case out[name].name != "":
		case may.byHand:
			out[name] = f.addLine(t, name)
		case len(flags) == 0:
			out[name] = f.addUser(t, name)
			f.must(t, "user", "revoke", name, "--pull", "**", "--push", "**")
		default:
			out[name] = f.addUser(t, name, flags...)
		}
	}
	eventually(t, 5*time.Second, "the time of ended is over", func() bool {
		return f.ask(t, out["ended"], "GET", "/v2/", "").StatusCode == http.StatusUnauthorized
	})
	return out
}

// operations are the requests about one repository: each form of path with
// each method, by tag and by digest; in all but the first repository without
// those that are about none and those that are no part of the API.
func operations(s seed, session string) []op {
	at, err := url.Parse(session)
	if err != nil {
		panic(err) // it came in a Location
	}
	id := at.Path[strings.LastIndex(at.Path, "/")+1:]
	missing := sum([]byte("nothing has this digest"))
	var out []op
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for _, o := range []op{
			{form: "base"}, {form: "catalog"}, {form: "catalog", query: "n=1"},
			{form: "tags"}, {form: "tags", query: "n=5"}, {form: "referrers", ref: s.digest},
			{form: "manifest", ref: "v1"}, {form: "manifest", ref: s.digest},
			{form: "blob", ref: s.layer}, {form: "start"}, {form: "start", query: "digest=" + missing},
			{form: "session", ref: id, query: at.RawQuery},
		} {
			o.method, o.repo = method, s.repo
			if needed[o.form][method] != "pull" && needed[o.form][method] != "push" && needed[o.form][method] != "delete" && s.repo != repositories[0] {
				continue
			}
			switch {
			case o.form == "manifest" && (method == "GET" || method == "HEAD"):
				o.headers = []header{{"Accept", ociManifest}}
			case o.form == "manifest" && method == "PUT":
				o.body, o.headers = s.manifest, []header{ociType}
			case o.form == "session" && method == "PATCH":
				o.body, o.headers = "part", []header{{"Content-Type", "application/octet-stream"}}
			case o.form == "session" && method == "PUT":
				o.query += "&digest=" + sum([]byte("part"))
				o.body = "part"
			}
			out = append(out, o)
		}
	}
	return out
}

// question is a request of the table with who asks and what the model says.
type question struct {
	name string
	who  person
	op   op
	want verdict
}

// testRights asks for everything that the API has as everybody and compares
// with the model. First all that has to be refused, which may change nothing;
// then all that has to be let through, which has to work.
func testRights(t *testing.T, f *front, people map[string]person, seeds map[string]seed) {
	var refused, allowed []question
	for _, repo := range repositories {
		session := f.session(t, f.boss(), repo)
		for _, o := range operations(seeds[repo], session) {
			refused = append(refused, question{"anonymous", person{}, o, judge("", nil, o)})
			for name, may := range everyone {
				q := question{name, people[name], o, judge(name, &may, o)}
				if q.want.passes {
					q.want.status = f.served(o)
					allowed = append(allowed, q)
				} else {
					refused = append(refused, q)
				}
			}
		}
	}
	if len(refused) < 3000 || len(allowed) < 600 {
		t.Fatalf("%d requests to refuse and %d to allow: the table is not what it was", len(refused), len(allowed))
	}
	before := f.snapshot(t)
	f.inParallel(t, refused, func(q question) {
		if err := f.put(t, q); err != nil {
			t.Error(err)
		}
	})
	sameMap(t, "what the registry keeps, after requests that were refused", before, f.snapshot(t))
	if t.Failed() {
		return
	}
	// What changes something is given something of its own to change.
	pass := func(q question) {
		q, err := f.prepare(t, q, seeds[q.op.repo])
		if err == nil {
			err = f.put(t, q)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if f.opts.registry == imageRegistry2 {
		// One after the other: 2.x writes a tag's link in place, and what reads it
		// just then, a deletion too, gets a 500.
		for _, q := range allowed {
			pass(q)
		}
	} else {
		f.inParallel(t, allowed, pass)
	}
	t.Logf("%d requests refused, %d let through", len(refused), len(allowed))
}

// served is what the registry answers to what is let through.
func (f *front) served(o op) int {
	if o.form == "manifest" && o.method == http.MethodDelete && o.ref == "v1" && f.opts.registry == imageRegistry2 {
		return http.StatusBadRequest // it deletes by digest alone
	}
	return served[o.form][o.method]
}

// put asks a question and compares the answer.
func (f *front) put(t *testing.T, q question) error {
	a, err := f.tryAsk(t, q.who, q.op.method, q.op.path(), q.op.body, q.op.headers...)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s as %s: %s %.200s", q.op.method, q.op.path(), q.name, a.Status, a.body)
	if a.StatusCode != q.want.status {
		return fmt.Errorf("%s, want %d %s", what, q.want.status, q.want.code)
	}
	if challenge := a.Header.Get("WWW-Authenticate"); (challenge == `Basic realm="localhost"`) != (a.StatusCode == http.StatusUnauthorized) {
		return fmt.Errorf("%s: challenge %q", what, challenge)
	}
	if q.op.method == http.MethodHead || q.want.passes {
		return nil
	}
	code, message := errorCode(a.body)
	if code != q.want.code {
		return fmt.Errorf("%s, want %s", what, q.want.code)
	}
	for _, part := range q.want.says {
		if !strings.Contains(message, part) {
			return fmt.Errorf("%s: the message lacks %q", what, part)
		}
	}
	return nil
}

// prepare gives a request that will change something a target of its own.
func (f *front) prepare(t *testing.T, q question, s seed) (question, error) {
	boss := f.boss()
	switch o := &q.op; {
	case o.form == "manifest" && o.method == http.MethodDelete:
		m := f.another(s)
		ref := sum([]byte(m))
		if o.ref == "v1" {
			ref = fmt.Sprint("gone-", f.counter.Add(1))
		}
		o.ref = ref
		a, err := f.tryAsk(t, boss, http.MethodPut, o.path(), m, ociType)
		return q, wanted(a, err, http.StatusCreated)
	case o.form == "manifest" && o.method == http.MethodPut && o.ref == "v1":
		// Not the tag that others read: a registry writes it in place, and who
		// comes between gets an error.
		o.ref = fmt.Sprint("new-", f.counter.Add(1))
	case o.form == "blob" && o.method == http.MethodDelete, o.form == "session":
		a, err := f.tryAsk(t, boss, http.MethodPost, "/v2/"+o.repo+"/blobs/uploads/", "")
		if err := wanted(a, err, http.StatusAccepted); err != nil {
			return q, err
		}
		at := a.Header.Get("Location")
		if o.form == "session" {
			id, state, _ := strings.Cut(at[strings.LastIndex(at, "/")+1:], "?")
			_, digest, last := strings.Cut(o.query, "&digest=")
			if o.ref, o.query = id, state; last {
				o.query += "&digest=" + digest
			}
			return q, nil
		}
		content := fmt.Sprint("blob ", f.counter.Add(1))
		o.ref = sum([]byte(content))
		a, err = f.tryAsk(t, boss, http.MethodPut, at+"&digest="+o.ref, content)
		return q, wanted(a, err, http.StatusCreated)
	}
	return q, nil
}

func wanted(a answer, err error, status int) error {
	if err == nil && a.StatusCode != status {
		err = fmt.Errorf("set-up: %s %s: %s %s", a.Request.Method, a.Request.URL, a.Status, a.body)
	}
	return err
}

// inParallel asks on eight connections.
func (f *front) inParallel(t *testing.T, all []question, ask func(question)) {
	t.Helper()
	next := make(chan question)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for q := range next {
				if !t.Failed() {
					ask(q)
				}
			}
		})
	}
	for _, q := range all {
		next <- q
	}
	close(next)
	wg.Wait()
}
