package smoke

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Cause names why a step failed, for scripts; explain has the words for people.
type Cause string

// The causes that are told apart.
const (
	CauseInterrupted    Cause = "interrupted"
	CauseName           Cause = "name_not_resolved"
	CauseRefused        Cause = "connection_refused"
	CauseUnreachable    Cause = "unreachable"
	CauseConnectTimeout Cause = "connect_timeout"
	CauseTimeout        Cause = "timeout"
	CauseClosed         Cause = "connection_closed"

	CausePlainHTTP   Cause = "plain_http"
	CauseNotTLS      Cause = "not_tls"
	CauseTLSRefused  Cause = "tls_refused"
	CauseAuthority   Cause = "certificate_unknown_authority"
	CauseCertName    Cause = "certificate_wrong_name"
	CauseExpired     Cause = "certificate_expired"
	CauseNotYetValid Cause = "certificate_not_yet_valid"
	CauseCertificate Cause = "certificate_invalid"

	CauseNotRegistry Cause = "not_a_registry"
	CauseRedirect    Cause = "redirected"
	CauseOpen        Cause = "no_password_asked"
	CauseBearer      Cause = "bearer_challenge"
	CauseNoBasic     Cause = "no_basic_challenge"
	CauseCredentials Cause = "credentials_refused"
	CauseLostLogin   Cause = "credentials_refused_later"
	CauseBlocked     Cause = "blocked"
	CauseRights      Cause = "not_permitted"

	CauseBackend   Cause = "registry_unreachable"
	CauseStorage   Cause = "storage_fails"
	CauseServer    Cause = "server_error"
	CauseRateLimit Cause = "too_many_requests"
	CauseTooLarge  Cause = "body_too_large"

	CauseLocationMissing Cause = "location_missing"
	CauseLocationHTTP    Cause = "location_plain_http"
	CauseLocationHost    Cause = "location_other_host"
	CauseLocationPort    Cause = "location_other_port"
	CauseLocationPath    Cause = "location_other_path"

	CauseReadOnly      Cause = "read_only"
	CauseMethod        Cause = "method_refused"
	CauseUploadRefused Cause = "upload_refused"
	CauseUploadLost    Cause = "upload_lost"
	CauseDigest        Cause = "digest_mismatch"
	CauseVanished      Cause = "content_vanished"
	CauseTruncated     Cause = "content_truncated"
	CauseContent       Cause = "content_differs"

	CauseDeleteDisabled Cause = "delete_disabled"
	CauseStillServed    Cause = "still_served"

	CauseOther Cause = "other"
)

// classify tells the cause of err in the step of that name.
func classify(step string, err error) Cause {
	var (
		status   *StatusError
		location *LocationError
		mismatch *MismatchError
		asked    *ChallengeError
		served   *StillServedError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return CauseInterrupted
	case errors.As(err, &status):
		return classifyStatus(step, status)
	case errors.As(err, &location):
		return location.cause
	case errors.As(err, &asked):
		return classifyChallenge(asked)
	case errors.As(err, &served):
		return CauseStillServed
	case errors.As(err, &mismatch):
		if mismatch.GotSize < mismatch.WantSize {
			return CauseTruncated
		}
		return CauseContent
	case errors.Is(err, ErrPlainHTTP):
		return CausePlainHTTP
	}
	if cause := classifyTLS(err); cause != "" {
		return cause
	}
	return classifyNetwork(step, err)
}

func classifyChallenge(e *ChallengeError) Cause {
	switch {
	case e.Status != http.StatusUnauthorized:
		return CauseOpen
	case slices.Contains(e.Schemes, "bearer"):
		return CauseBearer
	}
	return CauseNoBasic
}

func classifyTLS(err error) Cause {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		failed    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return CauseAuthority
	case errors.As(err, &name):
		return CauseCertName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		// crypto/x509 has one reason for both ends of the validity.
		if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
			return CauseNotYetValid
		}
		return CauseExpired
	case errors.As(err, &invalid), errors.As(err, &failed):
		return CauseCertificate
	case errors.As(err, &record):
		if string(record.RecordHeader[:]) == "HTTP/" {
			return CausePlainHTTP
		}
		return CauseNotTLS
	case errors.As(err, &op) && op.Op == "remote error":
		return CauseTLSRefused // an alert; crypto/tls gives its type no name outside
	}
	return ""
}

func classifyNetwork(step string, err error) Cause {
	var (
		dns     *net.DNSError
		address *net.AddrError
		network net.Error
	)
	switch {
	case errors.As(err, &dns), errors.As(err, &address):
		return CauseName
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return CauseUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		if step == StepConnect {
			return CauseConnectTimeout
		}
		return CauseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		if step == StepPullImage || step == StepPullIndex {
			return CauseTruncated
		}
		return CauseClosed
	}
	return CauseOther
}

// classifyStatus reads a status in the light of the step: a 404 to GET /v2/ and
// one to GET of what was just pushed have nothing in common.
func classifyStatus(step string, e *StatusError) Cause {
	var (
		early    = step == StepChallenge || step == StepLogin
		pushing  = step == StepUpload || step == StepPushImage || step == StepPushIndex
		deleting = step == StepDelete || step == StepCleanUp
	)
	switch e.Status {
	case http.StatusUnauthorized:
		if early {
			return CauseCredentials
		}
		return CauseLostLogin
	case http.StatusForbidden:
		if early {
			return CauseBlocked
		}
		return CauseRights
	case http.StatusRequestEntityTooLarge:
		return CauseTooLarge
	case http.StatusTooManyRequests:
		return CauseRateLimit
	case http.StatusInsufficientStorage:
		return CauseStorage
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// Nginx answers in HTML. The registry's own 503 is its health check of
		// the storage.
		if e.has(transport.UnavailableErrorCode) {
			return CauseStorage
		}
		return CauseBackend
	case http.StatusInternalServerError:
		if early {
			return CauseServer
		}
		return CauseStorage
	case http.StatusNotFound:
		switch {
		case early, step == StepUpload:
			return CauseNotRegistry
		case e.has(transport.BlobUploadUnknownErrorCode):
			return CauseUploadLost
		}
		return CauseVanished
	case http.StatusRequestedRangeNotSatisfiable:
		return CauseUploadLost
	case http.StatusMethodNotAllowed:
		switch {
		case deleting:
			return CauseDeleteDisabled
		case pushing && e.Method != http.MethodDelete:
			return CauseReadOnly
		}
		return CauseMethod
	case http.StatusBadRequest:
		switch {
		case e.has(transport.DigestInvalidErrorCode):
			return CauseDigest
		case e.has(transport.ManifestBlobUnknownErrorCode):
			return CauseVanished
		case e.has(transport.BlobUploadInvalidErrorCode):
			return CauseUploadLost
		case pushing:
			return CauseUploadRefused
		}
	}
	if e.Status >= 300 && e.Status < 400 {
		return CauseRedirect
	}
	return CauseOther
}
