package smoke

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// classifyTLS returns the cause of a failed handshake, or "".
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
