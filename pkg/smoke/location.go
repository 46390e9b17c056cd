package smoke

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// upload begins an upload, looks where the registry says it is to be continued,
// and ends it there with a few bytes in one PUT, as containerd pushes blobs. A
// wrong Location is the commonest fault of a registry behind a proxy
// (distribution#479, #970, #2225), and a client's own message for it tells
// nobody anything; worse, the client library repairs some of them in silence.
//
// The upload is completed rather than aborted since the registry cleans up after
// the one, but not after the other; see abort.
func (r *run) upload(ctx context.Context) (string, error) {
	begin := r.url(r.in("blobs/uploads/"))
	resp, err := r.send(ctx, http.MethodPost, begin, nil)
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
	blob := make([]byte, 64)
	if _, err := rand.Read(blob); err != nil {
		return "", err
	}
	r.probe = object{digest: fmt.Sprintf("sha256:%x", sha256.Sum256(blob)), size: int64(len(blob))}
	r.pushed = []object{r.probe}
	query := at.Query()
	query.Set("digest", r.probe.digest)
	at.RawQuery = query.Encode()
	if err := r.ask(ctx, http.MethodPut, at, blob, http.StatusCreated); err != nil {
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
