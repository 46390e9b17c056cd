// Package users keeps the registry's user file: an htpasswd file with bcrypt
// hashes, as Apache's `htpasswd -B` writes it and the registry's htpasswd
// access controller reads it; and beside it the rights file, which says what each
// user may do. It parses, edits and verifies; the command line asks for passwords
// and prints, and the front door enforces the rights.
//
// A user without rights may log in and nothing else; rights without a user are
// nobody's. Each change is there for the front door from the next request on.
//
// What the registry does with the file (Distribution 2.8.3 and 3.1.2,
// registry/auth/htpasswd; each was run against 3.1.2):
//
//   - It reads the file again when its modification time differs. A line that it
//     refuses (no colon, or 64 KiB and longer) makes it refuse the whole file:
//     a running registry answers one 400 and goes on with the users it had, also
//     with those removed since; one that starts with such a file answers 400 to
//     everybody. It also writes that line, with whatever secret is in it, into
//     its log. See [Fault.Fatal].
//   - A hash other than bcrypt hurts only its user, who gets 401.
//   - An empty file lets nobody in (401). A file that is missing when the
//     registry starts is made anew with a user "docker" whose password goes into
//     the log; one that vanishes later makes it answer 400. So the last user may
//     be removed here, and the file stays.
//   - Of two lines with one name it takes the last; Apache takes the first.
package users
