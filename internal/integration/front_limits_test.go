//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// TestFrontLimits opens more transfers from one address than any CI does: the
// first thousand go on, the rest is told to come again, in the registry's form.
func TestFrontLimits(t *testing.T) {
	f := newFront(t, options{})
	// More than the sockets between take up, so that a client that does not read
	// keeps its transfer going; small ones, without the engine's proxy.
	large := f.pushBlob(t, "limits/app", strings.Repeat("a layer that is not read to its end\n", 16<<20/36))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := f.client(t)
	tr := c.Transport.(*http.Transport)
	tr.ReadBufferSize = 4 << 10
	inside := net.JoinHostPort(f.container(t, "nginx").NetworkSettings.Networks[f.project+"_edge"].IPAddress, "443")
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10) })
	}}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return small.DialContext(ctx, network, inside)
	}
	var going, refused atomic.Int64
	var other sync.Map
	var wg sync.WaitGroup
	gate := make(chan struct{}, 32) // handshakes at once
	for range 1100 {
		wg.Go(func() {
			gate <- struct{}{}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url("/v2/limits/app/blobs/"+large), nil)
			if err == nil {
				req.SetBasicAuth(f.user, f.password)
				var resp *http.Response
				if resp, err = c.Do(req); err == nil {
					<-gate
					defer resp.Body.Close()
					switch resp.StatusCode {
					case http.StatusOK:
						going.Add(1)
						<-ctx.Done()
					case http.StatusTooManyRequests:
						refused.Add(1)
						if err := transport.CheckError(resp, http.StatusOK); !strings.Contains(err.Error(), "TOOMANYREQUESTS") {
							other.Store(err.Error(), true)
						}
					default:
						other.Store(resp.Status, true)
					}
					return
				}
			}
			<-gate
			other.Store(err.Error(), true)
		})
	}
	eventually(t, time.Minute, "every client has its answer", func() bool {
		answered := going.Load() + refused.Load()
		other.Range(func(any, any) bool { answered++; return true })
		return answered >= 1100
	})
	t.Logf("%d go on, %d refused", going.Load(), refused.Load())
	if going.Load() < 1000 || refused.Load() == 0 {
		t.Errorf("%d go on, %d refused", going.Load(), refused.Load())
	}
	other.Range(func(what, _ any) bool { t.Errorf("a client was told: %v", what); return true })
	f.http = c // from the same address
	a := f.ask(t, f.boss(), http.MethodGet, "/v2/", "")
	if code, _ := errorCode(a.body); a.StatusCode != http.StatusTooManyRequests || code != "TOOMANYREQUESTS" || !json.Valid([]byte(a.body)) {
		t.Errorf("at the limit: %s %s", a.Status, a.body)
	}
	cancel()
	wg.Wait()
	tr.CloseIdleConnections()
	eventually(t, 20*time.Second, "it answers again", func() bool {
		a, err := f.tryAsk(t, f.boss(), http.MethodGet, "/v2/", "")
		return err == nil && a.StatusCode == http.StatusOK
	})
}
