package smoke

import (
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// classifyStatus reads a status in the light of the step: a 404 to GET /v2/ and
// one to GET of what was just pushed have nothing in common.
func classifyStatus(step string, e *StatusError) Cause {
	var (
		early    = step == StepChallenge || step == StepLogin
		pushing  = step == StepUpload || step == StepPushImage || step == StepPushIndex
		deleting = step == StepDelete || step == StepCleanUp
	)
	// The registry's own words first: Distribution gives some of them statuses
	// that say less (an invalid upload is a 404).
	switch {
	case e.has(transport.DigestInvalidErrorCode):
		return CauseDigest
	case e.has(transport.ManifestBlobUnknownErrorCode):
		return CauseVanished
	case e.has(transport.BlobUploadUnknownErrorCode), e.has(transport.BlobUploadInvalidErrorCode):
		return CauseUploadLost
	}
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
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		// Only a proxy answers so. The body says nothing: the front door of a
		// deployment writes its own errors in the registry's form.
		//
		// Seen with 2.8.3 and 3.1.2 on a full disk: the registry answers 500 and
		// closes while Nginx (proxy_request_buffering off) is still sending, and
		// Nginx makes a 502 of the reset connection.
		if e.Status == http.StatusBadGateway && e.Method == http.MethodPatch {
			return CauseBrokenOff
		}
		return CauseBackend
	case http.StatusServiceUnavailable:
		// The registry's own 503 is its health check of the storage, and says so in
		// a detail. The front door's, which has none, means that a service behind it
		// does not answer.
		if e.has(transport.UnavailableErrorCode) && e.Detail {
			return CauseStorage
		}
		return CauseBackend
	case http.StatusInternalServerError:
		if early {
			return CauseServer
		}
		return CauseStorage
	case http.StatusNotFound:
		if early || step == StepUpload {
			return CauseNotRegistry
		}
		return CauseVanished
	case http.StatusRequestedRangeNotSatisfiable:
		return CauseUploadLost
	case http.StatusMethodNotAllowed:
		switch {
		case deleting:
			return CauseDeleteDisabled
		case pushing:
			return CauseReadOnly
		}
	case http.StatusBadRequest:
		if pushing {
			return CauseUploadRefused
		}
	}
	if e.Status >= 300 && e.Status < 400 {
		return CauseRedirect
	}
	return CauseOther
}
