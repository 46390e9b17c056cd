package smoke

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// run is one run under way.
type run struct {
	target Target
	report func(Step)
	result Result

	repo      name.Repository
	imageTag  name.Tag
	indexTag  name.Tag
	uploads   *uploads
	transport http.RoundTripper // to the registry, without credentials
	closeIdle func()

	conn   net.Conn          // open between connect and tls
	authed http.RoundTripper // transport with the password, from login on
	probe  object            // from upload on
	made   *content          // from pushImage on
	pushed []object          // what may be in the registry and was not deleted, in the order to delete it
}

func newRun(t Target, report func(Step)) (*run, error) {
	reg, err := name.NewRegistry(t.Host, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	id, err := runID()
	if err != nil {
		return nil, err
	}
	r := &run{target: t, report: report, repo: reg.Repo(t.Repository), uploads: &uploads{open: map[string]string{}}}
	r.imageTag, r.indexTag = r.repo.Tag(id+"-image"), r.repo.Tag(id+"-index")
	r.transport, r.closeIdle = newTransport(t, r.uploads)
	r.result = Result{Repository: t.Host + "/" + t.Repository, ImageTag: r.imageTag.TagStr(), IndexTag: r.indexTag.TagStr()}
	return r, nil
}

// runID is unique to a run, since several may use one repository at once, and
// tells a person who meets it in a list of tags when it was pushed.
func runID() (string, error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", err
	}
	return "smoke-" + time.Now().UTC().Format("20060102t150405z") + "-" + hex.EncodeToString(salt[:]), nil
}

func (r *run) close() {
	if r.conn != nil {
		r.conn.Close()
	}
	r.closeIdle()
}

// url returns the URL of a path under /v2/.
func (r *run) url(path string) *url.URL {
	return &url.URL{Scheme: "https", Host: r.target.Host, Path: "/v2/" + path}
}

// in returns the path under /v2/ of something in the repository.
func (r *run) in(path string) string { return r.repo.RepositoryStr() + "/" + path }

// send makes one request, as the user once login has passed. The caller closes
// the body. Redirects are followed only for GET below /v2/; to the rest a
// registry has to answer itself, so there a redirect is the answer.
func (r *run) send(ctx context.Context, method string, at *url.URL, body []byte, accept ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(accept, ", "))
	}
	client := &http.Client{Transport: r.transport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		switch {
		case method != http.MethodGet || at.Path == "/v2/" || len(via) > 5:
			return http.ErrUseLastResponse
		case to.URL.Scheme != "https":
			// Asked here too, since the client library would turn it into
			// HTTPS where the host is the registry's, and other clients do not.
			return ErrPlainHTTP
		}
		return nil
	}}
	if r.authed != nil {
		client.Transport = r.authed
	}
	return client.Do(req)
}

// ask is send for an answer whose body is of no interest.
func (r *run) ask(ctx context.Context, method string, at *url.URL, body []byte, wanted ...int) error {
	resp, err := r.send(ctx, method, at, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return expect(resp, wanted...)
}
