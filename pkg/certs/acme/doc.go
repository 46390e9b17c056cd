// Package acme obtains certificates from an ACME certificate authority (RFC
// 8555) and asks it when to renew them (RFC 9773).
//
// lego does the protocol; lego.go alone imports its core and dns.go alone its
// DNS providers. What this package adds is what a job that runs unattended
// needs: an account key that is never replaced in silence, bounds in time and
// size on every answer, challenge files that a kill does not leave behind,
// errors of few kinds instead of text, and a look at what came back before
// anybody installs it.
//
// On disk, below the deployment's private directory:
//
//	acme/HOST-SUM/account.json   the account at one directory URL
//	acme/HOST-SUM/key.pem        its key
package acme
