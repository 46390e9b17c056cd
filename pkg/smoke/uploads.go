package smoke

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// uploads remembers the blob uploads that were begun and not ended, since a run
// that is cut short must abort them: the registry keeps what arrived for a week
// (its uploadpurging), and the client library does not say where an upload is.
type uploads struct {
	next http.RoundTripper
	host string

	mu   sync.Mutex
	open map[string]string // path of the upload to its query (the registry's _state)
}

func (u *uploads) RoundTrip(req *http.Request) (*http.Response, error) {
	// Before the wire: the request is its sender's again as soon as it is done.
	method, at := req.Method, *req.URL
	resp, err := u.next.RoundTrip(req)
	if err == nil && hostPort(at.Host) == hostPort(u.host) && strings.Contains(at.Path, "/blobs/uploads/") {
		u.note(method, &at, resp)
	}
	return resp, err
}

func (u *uploads) note(method string, at *url.URL, resp *http.Response) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case resp.StatusCode == http.StatusAccepted && (method == http.MethodPost || method == http.MethodPatch):
		loc, err := at.Parse(resp.Header.Get("Location"))
		if err != nil || resp.Header.Get("Location") == "" {
			return
		}
		delete(u.open, at.Path)
		if strings.HasPrefix(loc.Path, "/v2/") {
			u.open[loc.Path] = loc.RawQuery
		}
	case resp.StatusCode == http.StatusCreated && method == http.MethodPut:
		delete(u.open, at.Path)
	}
}

// forget drops the upload at path, which is no more.
func (u *uploads) forget(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, path)
}

// list returns the open uploads, as path and query on the registry's own host,
// wherever their Locations pointed.
func (u *uploads) list() []*url.URL {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]*url.URL, 0, len(u.open))
	for path, query := range u.open {
		all = append(all, &url.URL{Scheme: "https", Host: u.host, Path: path, RawQuery: query})
	}
	return all
}
