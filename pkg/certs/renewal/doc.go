// Package renewal decides when a certificate is to be renewed, and remembers
// what has to outlast a run for that: when the CA wants it, which instant was
// drawn, what failed and when to try again.
//
// Deciding is pure: certificate, wishes, state and instant go in, a Decision
// comes out; nothing is asked, written or drawn. The state is one small file; one
// that is damaged or lost makes regctl forget, never issue in a loop, because the
// certificate itself tells when it was made.
package renewal
