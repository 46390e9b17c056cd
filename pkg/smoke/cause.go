package smoke

import (
	"context"
	"errors"
	"net/http"
	"slices"
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
	CauseUploadRefused Cause = "upload_refused"
	CauseUploadLost    Cause = "upload_lost"
	CauseBrokenOff     Cause = "upload_broken_off"
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
