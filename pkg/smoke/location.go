package smoke

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// upload begins an upload, looks where the registry says it is to be continued,
// and aborts it. A wrong Location is the commonest fault of a registry behind a
// proxy (distribution#479, #970, #2225), and a client's own message for it tells
// nobody anything; worse, the client library repairs some of them in silence.
func (r *run) upload(ctx context.Context) (string, error) {
	begin := r.url(r.in("blobs/uploads/"))
	resp, err := r.send(ctx, http.MethodPost, begin)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := expect(resp, http.StatusAccepted); err != nil {
		return "", err
	}
	at, err := r.location(begin, resp.Header.Get("Location"))
	if err != nil {
		return "", err // the upload that is open now is aborted by the clean-up
	}
	if err := r.ask(ctx, http.MethodDelete, at, http.StatusNoContent, http.StatusOK, http.StatusAccepted); err != nil {
		return "", err
	}
	return fmt.Sprintf("continues at https://%s/v2/", r.target.Host), nil
}

// location resolves the Location of an answer from begin, and returns a
// *LocationError where a client would be led astray.
func (r *run) location(begin *url.URL, header string) (*url.URL, error) {
	bad := &LocationError{Want: begin.String()}
	loc, err := begin.Parse(header)
	if header == "" || err != nil {
		bad.cause = CauseLocationMissing
		return nil, bad
	}
	bad.Location = bare(loc)
	switch {
	case loc.Scheme != "https":
		bad.cause = CauseLocationHTTP
	case hostName(loc.Host) != hostName(r.target.Host):
		bad.cause = CauseLocationHost
	case hostPort(loc.Host) != hostPort(r.target.Host):
		bad.cause = CauseLocationPort
	case !strings.HasPrefix(loc.Path, begin.Path):
		bad.cause = CauseLocationPath
	default:
		return loc, nil
	}
	return nil, bad
}
