package smoke_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/smoke"
)

// faultCase is one thing that goes wrong, and how it must be told.
type faultCase struct {
	name  string
	leaf  leafOptions
	fault wrap
	aim   func(*testing.T, *smoke.Target) // changes the target
	step  string
	cause smoke.Cause
	left  bool // the registry cannot be emptied
}

func faultCases() []faultCase {
	at := func(method, path string, f func(http.ResponseWriter, *http.Request, http.Handler)) wrap {
		return when(on(method, path), f)
	}
	loc := func(change func(string) string) wrap { return at("POST", "/blobs/uploads/", location(change)) }
	past, future := time.Now().Add(-2*time.Hour), time.Now().Add(2*time.Hour)

	return []faultCase{
		// On the way to the port.
		{name: "refused", aim: dialClosed, step: smoke.StepConnect, cause: smoke.CauseRefused},
		{name: "packets dropped", aim: dialFull, step: smoke.StepConnect, cause: smoke.CauseConnectTimeout},
		// Go answers for this top-level domain by itself: no query leaves (RFC 7686).
		{name: "no such name", aim: func(_ *testing.T, t *smoke.Target) { t.Host, t.DialAddr = "registry.onion", "" }, step: smoke.StepConnect, cause: smoke.CauseName},

		// TLS.
		{name: "unknown authority", aim: func(_ *testing.T, t *smoke.Target) { t.Roots = x509.NewCertPool() }, step: smoke.StepTLS, cause: smoke.CauseAuthority},
		{name: "wrong name", leaf: leafOptions{names: []string{"old.test"}}, step: smoke.StepTLS, cause: smoke.CauseCertName},
		{name: "expired", leaf: leafOptions{names: []string{host}, from: past.Add(-time.Hour), to: past}, step: smoke.StepTLS, cause: smoke.CauseExpired},
		{name: "not yet valid", leaf: leafOptions{names: []string{host}, from: future, to: future.Add(time.Hour)}, step: smoke.StepTLS, cause: smoke.CauseNotYetValid},
		{name: "certificate of a client", leaf: leafOptions{names: []string{host}, usage: x509.ExtKeyUsageClientAuth}, step: smoke.StepTLS, cause: smoke.CauseCertificate},
		{name: "plain HTTP on the port", aim: dialPlainHTTP, step: smoke.StepTLS, cause: smoke.CausePlainHTTP},
		{name: "another protocol on the port", aim: dialSpeaking("SSH-2.0-OpenSSH_9.9\r\n"), step: smoke.StepTLS, cause: smoke.CauseNotTLS},
		{name: "closed at once", aim: dialSpeaking(""), step: smoke.StepTLS, cause: smoke.CauseClosed},
		{name: "silent", aim: dialSilent, step: smoke.StepTLS, cause: smoke.CauseTimeout},
		{name: "alert", aim: dialAlert, step: smoke.StepTLS, cause: smoke.CauseTLSRefused},

		// The challenge.
		{name: "404 on /v2/", fault: when(asStranger, status(404)), step: smoke.StepChallenge, cause: smoke.CauseNotRegistry},
		{name: "a login page", fault: when(asStranger, header(302, "Location", "/login")), step: smoke.StepChallenge, cause: smoke.CauseRedirect},
		{name: "open to all", fault: when(asStranger, status(200)), step: smoke.StepChallenge, cause: smoke.CauseOpen},
		{name: "bearer", fault: when(asStranger, header(401, "WWW-Authenticate", `Bearer realm="https://auth.test/token"`)), step: smoke.StepChallenge, cause: smoke.CauseBearer},
		{name: "negotiate", fault: when(asStranger, header(401, "WWW-Authenticate", "Negotiate")), step: smoke.StepChallenge, cause: smoke.CauseNoBasic},
		{name: "no challenge header", fault: when(asStranger, header(401, "", "")), step: smoke.StepChallenge, cause: smoke.CauseNoBasic},
		{name: "403 for strangers", fault: when(asStranger, status(403)), step: smoke.StepChallenge, cause: smoke.CauseBlocked},
		{name: "502", fault: when(asStranger, status(502)), step: smoke.StepChallenge, cause: smoke.CauseBackend},
		{name: "503", fault: when(asStranger, status(503)), step: smoke.StepChallenge, cause: smoke.CauseBackend},
		{name: "504", fault: when(asStranger, status(504)), step: smoke.StepChallenge, cause: smoke.CauseBackend},
		{name: "502 in the registry's own form", fault: when(asStranger, code(502, "UNAVAILABLE")), step: smoke.StepChallenge, cause: smoke.CauseBackend},
		{name: "503 of the registry's health check", fault: when(asStranger, healthCheck), step: smoke.StepChallenge, cause: smoke.CauseStorage},
		{name: "503 of the front door", fault: when(asStranger, code(503, "UNAVAILABLE")), step: smoke.StepChallenge, cause: smoke.CauseBackend},
		{name: "500", fault: when(asStranger, status(500)), step: smoke.StepChallenge, cause: smoke.CauseServer},
		{name: "429", fault: when(asStranger, status(429)), step: smoke.StepChallenge, cause: smoke.CauseRateLimit},
		{name: "cut", fault: when(asStranger, cut), step: smoke.StepChallenge, cause: smoke.CauseClosed},

		// Login.
		{name: "wrong password", aim: func(_ *testing.T, t *smoke.Target) { t.Password = "correct-horse-8" }, step: smoke.StepLogin, cause: smoke.CauseCredentials},
		{name: "403 with the password", fault: when(asUser, status(403)), step: smoke.StepLogin, cause: smoke.CauseBlocked},
		{name: "502 with the password", fault: when(asUser, status(502)), step: smoke.StepLogin, cause: smoke.CauseBackend},

		// The Location of an upload.
		{name: "Location on http", fault: loc(func(p string) string { return "http://" + host + p }), step: smoke.StepUpload, cause: smoke.CauseLocationHTTP},
		{name: "Location on another host", fault: loc(func(p string) string { return "https://registry:5000" + p }), step: smoke.StepUpload, cause: smoke.CauseLocationHost},
		{name: "Location on another port", fault: loc(func(p string) string { return "https://" + host + ":8443" + p }), step: smoke.StepUpload, cause: smoke.CauseLocationPort},
		{name: "Location under a prefix", fault: loc(func(p string) string { return "/registry" + p }), step: smoke.StepUpload, cause: smoke.CauseLocationPath, left: true},
		{name: "no Location", fault: loc(func(string) string { return "" }), step: smoke.StepUpload, cause: smoke.CauseLocationMissing, left: true},
		{name: "no uploads path", fault: at("POST", "/uploads/", status(404)), step: smoke.StepUpload, cause: smoke.CauseNotRegistry},
		{name: "read-only", fault: at("POST", "/uploads/", status(405)), step: smoke.StepUpload, cause: smoke.CauseReadOnly},
		{name: "pull-through cache", fault: at("POST", "/uploads/", code(405, "UNSUPPORTED")), step: smoke.StepUpload, cause: smoke.CauseReadOnly},
		{name: "upload refused", fault: at("POST", "/uploads/", code(400, "NAME_INVALID")), step: smoke.StepUpload, cause: smoke.CauseUploadRefused},
		{name: "no right to push", fault: at("POST", "/uploads/", code(403, "DENIED")), step: smoke.StepUpload, cause: smoke.CauseRights},
		{name: "upload unknown at once", fault: at("PUT", "/uploads/", code(404, "BLOB_UPLOAD_UNKNOWN")), step: smoke.StepUpload, cause: smoke.CauseUploadLost},

		// Pushing.
		{name: "413", fault: limitBody(100 << 10), step: smoke.StepPushImage, cause: smoke.CauseTooLarge},
		{name: "PATCH blocked", fault: at("PATCH", "/uploads/", status(405)), step: smoke.StepPushImage, cause: smoke.CauseReadOnly},
		{name: "disk full", fault: at("PUT", "/uploads/", code(500, "UNKNOWN")), step: smoke.StepUpload, cause: smoke.CauseStorage},
		{name: "disk full, told as such", fault: at("PATCH", "/uploads/", status(507)), step: smoke.StepPushImage, cause: smoke.CauseStorage},
		{name: "bytes changed on the way up", fault: at("PATCH", "/uploads/", corrupt), step: smoke.StepPushImage, cause: smoke.CauseDigest},
		{name: "upload unknown", fault: at("PATCH", "/uploads/", code(404, "BLOB_UPLOAD_UNKNOWN")), step: smoke.StepPushImage, cause: smoke.CauseUploadLost},
		{name: "upload of another secret", fault: at("PATCH", "/uploads/", code(400, "BLOB_UPLOAD_INVALID")), step: smoke.StepPushImage, cause: smoke.CauseUploadLost},
		{name: "upload at another offset", fault: at("PATCH", "/uploads/", code(416, "RANGE_INVALID")), step: smoke.StepPushImage, cause: smoke.CauseUploadLost},
		{name: "blob unknown at the manifest", fault: at("PUT", "/manifests/", code(400, "MANIFEST_BLOB_UNKNOWN")), step: smoke.StepPushImage, cause: smoke.CauseVanished},
		{name: "cut in the middle", fault: at("PATCH", "/uploads/", cut), step: smoke.StepPushImage, cause: smoke.CauseClosed},
		{name: "disk full behind Nginx", fault: at("PATCH", "/uploads/", status(502)), step: smoke.StepPushImage, cause: smoke.CauseBrokenOff},
		{name: "password dropped on PATCH", fault: at("PATCH", "/uploads/", status(401)), step: smoke.StepPushImage, cause: smoke.CauseLostLogin},
		{name: "502 at the manifest", fault: at("PUT", "/manifests/", status(502)), step: smoke.StepPushImage, cause: smoke.CauseBackend},
		{name: "index refused", fault: at("PUT", "-index$", code(404, "MANIFEST_UNKNOWN")), step: smoke.StepPushIndex, cause: smoke.CauseVanished},

		// Pulling.
		{name: "tag not found", fault: at("GET", "-image$", code(404, "MANIFEST_UNKNOWN")), step: smoke.StepPullImage, cause: smoke.CauseVanished},
		{name: "blob changed on the way down", fault: when(onBlob, answer(flipLast)), step: smoke.StepPullImage, cause: smoke.CauseContent},
		{name: "manifest changed", fault: at("GET", "-index$", answer(flipLast)), step: smoke.StepPullIndex, cause: smoke.CauseContent},
		{name: "another digest announced", fault: at("GET", "-image$", answer(func(h http.Header, b []byte) []byte {
			h.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
			return b
		})), step: smoke.StepPullImage, cause: smoke.CauseContent},
		{name: "stored too short", fault: when(onBlob, answer(half)), step: smoke.StepPullImage, cause: smoke.CauseTruncated},
		{name: "cut on the way down", fault: when(onBlob, answer(halfOfPromised)), step: smoke.StepPullImage, cause: smoke.CauseTruncated},
		{name: "blob sent over plain HTTP", fault: when(onBlob, header(307, "Location", "http://"+host+"/blob")), step: smoke.StepPullImage, cause: smoke.CausePlainHTTP},
		{name: "no right to pull", fault: at("GET", "/manifests/", code(403, "DENIED")), step: smoke.StepPullImage, cause: smoke.CauseRights},

		// Deleting.
		{name: "delete disabled", fault: at("DELETE", "", code(405, "UNSUPPORTED")), step: smoke.StepDelete, cause: smoke.CauseDeleteDisabled, left: true},
		{name: "no right to delete", fault: at("DELETE", "sha256:", code(403, "DENIED")), step: smoke.StepDelete, cause: smoke.CauseRights, left: true},
		{name: "gone before deleted", fault: at("DELETE", "/manifests/", code(404, "MANIFEST_UNKNOWN")), step: smoke.StepDelete, cause: smoke.CauseVanished, left: true},
		{name: "cached", fault: keepServing(), step: smoke.StepGone, cause: smoke.CauseStillServed},
	}
}

func dialClosed(t *testing.T, target *smoke.Target) {
	l := listen(t)
	target.DialAddr = l.Addr().String()
	l.Close()
}

func dialPlainHTTP(t *testing.T, target *smoke.Target) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	target.DialAddr = s.Listener.Addr().String()
}

func dialAlert(t *testing.T, target *smoke.Target) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	t.Cleanup(s.Close)
	target.DialAddr = s.Listener.Addr().String()
}
