package smoke_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// when applies a fault to the requests that match, and lets the others pass.
func when(match func(*http.Request) bool, fault func(http.ResponseWriter, *http.Request, http.Handler)) wrap {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				fault(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// on matches a method and a part of the path, which may end in "$".
func on(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if end, ok := strings.CutSuffix(path, "$"); ok {
			return r.Method == method && strings.HasSuffix(r.URL.Path, end)
		}
		return r.Method == method && strings.Contains(r.URL.Path, path)
	}
}

// onBlob matches GET of a blob.
func onBlob(r *http.Request) bool { return on("GET", "/blobs/sha256:")(r) }

// asUser matches GET /v2/ with a password, asStranger without.
func asUser(r *http.Request) bool {
	return r.URL.Path == "/v2/" && r.Header.Get("Authorization") != ""
}

func asStranger(r *http.Request) bool {
	return r.URL.Path == "/v2/" && r.Header.Get("Authorization") == ""
}

// status answers with an error page, as a proxy does.
func status(code int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		io.WriteString(w, "<html>\r\n<head><title>error</title></head>\r\n</html>\r\n")
	}
}

// code answers as a registry does.
func code(statusCode int, code string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		registryError(w, statusCode, code)
	}
}

// healthCheck answers as a registry whose storage fails (2.8.3 and 3.1.2,
// health.Handler).
func healthCheck(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, `{"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"health check failed: please see /debug/health"}]}`)
}

// header answers with a status and one header.
func header(code int, name, value string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if name != "" {
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
	}
}

// cut closes the connection without an answer.
func cut(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// location changes the Location of answers.
func location(change func(path string) string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&locationWriter{ResponseWriter: w, change: change}, r)
	}
}

type locationWriter struct {
	http.ResponseWriter
	change func(string) string
}

func (l *locationWriter) WriteHeader(status int) {
	if to := l.change(l.Header().Get("Location")); to != "" {
		l.Header().Set("Location", to)
	} else {
		l.Header().Del("Location")
	}
	l.ResponseWriter.WriteHeader(status)
}

// corrupt changes the last byte of what is sent up.
func corrupt(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	body[len(body)-1] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

// answer serves what next answers, after change. A header of Content-Length
// that change sets is kept, so that an answer can be shorter than it says.
func answer(change func(http.Header, []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		held := &holdWriter{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(held, r)
		w.Header().Del("Content-Length")
		body := change(w.Header(), held.body.Bytes())
		w.WriteHeader(held.status)
		w.Write(body)
	}
}

type holdWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *holdWriter) Header() http.Header         { return h.header }
func (h *holdWriter) WriteHeader(status int)      { h.status = status }
func (h *holdWriter) Write(b []byte) (int, error) { return h.body.Write(b) }

func flipLast(_ http.Header, b []byte) []byte { b[len(b)-1] ^= 1; return b }

func half(_ http.Header, b []byte) []byte { return b[:len(b)/2] }

func halfOfPromised(h http.Header, b []byte) []byte {
	h.Set("Content-Length", strconv.Itoa(len(b)))
	return b[:len(b)/2]
}

// limitBody answers 413 as Nginx's client_max_body_size does: at once, from the
// header.
func limitBody(limit int64) wrap {
	return when(func(r *http.Request) bool { return r.ContentLength > limit }, status(http.StatusRequestEntityTooLarge))
}

// keepServing remembers answers to GET of manifests and goes on giving them.
func keepServing() wrap {
	type kept struct {
		header http.Header
		body   []byte
	}
	cache := map[string]kept{} // requests of one run come one after the other here
	return when(on("GET", "/manifests/"), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		k, ok := cache[r.URL.Path]
		if !ok {
			held := &holdWriter{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(held, r)
			k = kept{held.header, held.body.Bytes()}
			cache[r.URL.Path] = k
		}
		for name := range k.header {
			w.Header().Set(name, k.header.Get(name))
		}
		w.Write(k.body)
	})
}
