package smoke

import (
	"fmt"
	"net"
)

// diskHint is for what a full disk causes.
const diskHint = "df -h on the registry's volume, then: regctl logs registry"

// explain says for a person what a cause in a step usually means, and what to
// type or do next where something can be said.
func explain(step string, c Cause, t Target) (meaning, hint string) {
	host, user, repo := t.Host, t.Username, t.Repository
	_, port, _ := net.SplitHostPort(t.address())
	switch c {
	case CauseInterrupted:
		return "the run was interrupted", ""

	// On the way to the port.
	case CauseName:
		return fmt.Sprintf("the name does not resolve on this host: %s has no DNS record, or this host asks the wrong DNS server", hostName(t.address())),
			fmt.Sprintf("add a DNS record (or a line in /etc/hosts) for %s", hostName(host))
	case CauseRefused:
		return fmt.Sprintf("nothing listens on port %s there: the stack is down, or Nginx publishes another port", port), "regctl up"
	case CauseUnreachable:
		return "no route leads there: the DNS record names an old or a private address, or the network is down", "compare the DNS record with the addresses of the registry's host"
	case CauseConnectTimeout:
		return fmt.Sprintf("packets to port %s are dropped: a firewall or security group, or a DNS record that names another machine", port),
			fmt.Sprintf("let port %s through to the registry's host", port)
	case CauseTimeout:
		return "the connection stands but no answer came in time: the registry hangs (its storage is slow or gone), or the line is very slow", "regctl logs registry"
	case CauseClosed:
		return "the connection was closed without an answer: Nginx is starting or has died, or something in between cuts connections (a limit on size or time)", "regctl logs nginx"

	// TLS.
	case CausePlainHTTP:
		return "plain HTTP where TLS belongs: the port is not the one Nginx serves TLS on, another program has it, or an answer redirects to http://; the password was not sent", "regctl status"
	case CauseNotTLS:
		return fmt.Sprintf("what answers on port %s speaks neither TLS nor HTTP: another program has the port", port), "regctl status"
	case CauseTLSRefused:
		return fmt.Sprintf("the server ended the TLS handshake: it has no certificate for %s, or asks the client for one, or something else serves the port", hostName(host)), "regctl status"
	case CauseAuthority:
		return "the certificate's issuer is not trusted here: it is self-signed and its CA was not handed to this client, or the chain is sent without its intermediate certificate", "regctl status"
	case CauseCertName:
		return fmt.Sprintf("the certificate is for other names than %s: the domain was changed after it was issued, or another server answers", hostName(host)), "regctl up"
	case CauseExpired:
		return "the certificate has expired: renewal does not run or fails, or the new certificate was never loaded", "regctl up"
	case CauseNotYetValid:
		return "the certificate is not valid yet: the clock of this host, or of the one that issued it, is wrong", "compare the clocks of both hosts"
	case CauseCertificate:
		return "the certificate, or one above it, must not be used for a server: it was made for another purpose or breaks a rule of its issuer", "regctl status"

	// The registry behind it.
	case CauseNotRegistry:
		return "there is no registry at /v2/: another web server or another server block answers for this name", "regctl diff"
	case CauseRedirect:
		return "the request is redirected, as no registry does: a login page, or a proxy that sends people elsewhere, is in front", "regctl diff"
	case CauseOpen:
		return "no password is asked for: whoever reaches the port can pull and push", "regctl diff"
	case CauseBearer:
		return "another registry answers, or this one was set up for a token server (auth: token): it sends clients there for a token", "regctl diff"
	case CauseNoBasic:
		return "a password is wanted but not in the way clients know (no Basic challenge): a proxy in front drops the WWW-Authenticate header or has a login of its own", "regctl diff"
	case CauseCredentials:
		return fmt.Sprintf("user and password are refused: the password is another one, %s has expired (is the clock right?), or the registry has not read the user file since it changed", user),
			fmt.Sprintf("regctl user check %s --password-stdin", user)
	case CauseLostLogin:
		return "the password passed at login and is refused now: the user was changed meanwhile, or something drops the Authorization header on the way", "regctl logs nginx"
	case CauseBlocked:
		return "something refuses this client before any password counts: an address filter or a firewall for web applications", "regctl logs nginx"
	case CauseRights:
		return fmt.Sprintf("user %s lacks the right for this in %s", user, repo), fmt.Sprintf("regctl user grant %s --%s %s", user, right(step), repo)
	case CauseBackend:
		return "Nginx answers but does not reach the registry: the container is down or still starts", "regctl logs registry"
	case CauseStorage:
		return "the registry fails on its storage: the disk is full, or the volume is read-only or not the registry's to write", diskHint
	case CauseServer:
		return "the server fails at the first request: the registry's configuration or user file cannot be read, or a script of Nginx fails", "regctl logs"
	case CauseRateLimit:
		return "requests are limited and the limit is reached: too many came from this address, or many passwords were wrong", "wait a minute, then run it again"

	// Pushing.
	case CauseTooLarge:
		return "a proxy limits the size of uploads (client_max_body_size of Nginx, which regctl sets to 0): another one is in front, or the file was edited by hand", "regctl diff"
	case CauseLocationMissing:
		return "the registry does not say where to continue an upload: something in front drops the Location header", "regctl diff"
	case CauseLocationHTTP:
		return "uploads are sent to plain HTTP: the registry does not learn that clients come by TLS (X-Forwarded-Proto is lost, or relativeurls is off)", "regctl diff"
	case CauseLocationHost:
		return "uploads are sent to another host: the registry does not learn the name clients use (Host is lost, X-Forwarded-Host or http.host is wrong)", "regctl diff"
	case CauseLocationPort:
		return "uploads are sent to another port: the registry is told the name without its port ($host in place of $http_host)", "regctl diff"
	case CauseLocationPath:
		return "uploads are sent to another path: a proxy in front serves the registry under a prefix, which clients cannot follow", "regctl diff"
	case CauseReadOnly:
		return "the registry takes no uploads: it is in read-only maintenance, it is a pull-through cache (proxy.remoteurl), or a proxy in front lets only some methods through", "regctl diff"
	case CauseUploadRefused:
		return "the registry calls the upload malformed: a proxy in front rewrites requests or their paths, or the registry takes no uploads", "regctl logs registry"
	case CauseUploadLost:
		return "an upload that was begun is not known any more: requests reach different registries without common storage, http.secret changed between them, or the upload was purged", "regctl logs registry"
	case CauseBrokenOff:
		return "the registry broke an upload off in the middle: most often its disk is full, else it was stopped or restarted", diskHint
	case CauseDigest:
		return "what arrived is not what was sent: something changes or cuts the body on the way, or memory or a disk is bad", "regctl logs registry"

	// Pulling.
	case CauseVanished:
		return "what was just pushed is not there: requests reach different registries without common storage, something deletes meanwhile, or a cache remembers what is gone", "regctl logs registry"
	case CauseTruncated:
		return "an answer ends before its content: a disk is full under Nginx's temporary files, a time-out cuts it, or the stored file is too short", "regctl logs nginx"
	case CauseContent:
		return "the registry serves other bytes than were pushed: its storage is damaged, or something in front changes answers", "regctl logs registry"

	// Deleting.
	case CauseDeleteDisabled:
		return "the registry deletes nothing, so no tag can ever be cleaned up: storage.delete.enabled is off, it is read-only, or a proxy in front lets no DELETE through", "regctl diff"
	case CauseStillServed:
		return "what was deleted is still served: a cache of answers in front of the registry, or the registry's blob descriptor cache, is on", "regctl diff"
	}
	return "nothing that is known to happen often", "regctl status"
}

// right is the one that a step needs.
func right(step string) string {
	switch step {
	case StepPullImage, StepPullIndex, StepGone:
		return "pull"
	case StepDelete, StepCleanUp:
		return "delete"
	}
	return "push"
}
