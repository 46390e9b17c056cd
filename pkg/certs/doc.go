// Package certs keeps the certificates that the front door serves: it checks a
// pair that a person or a CA hands over, stores it so that Nginx never reads
// half of it, issues from a local CA where no public one can be used, and tells
// what a running server really serves.
//
// Its place: internal/cli calls it under the deployment's lock; it knows
// neither Nginx nor Docker. On disk, below the deployment directory:
//
//	certs/archive/NAME/N/{fullchain,privkey,cert,chain}.pem   every pair, numbered
//	certs/archive/NAME/bootstrap/                             one to start with, until there is any
//	certs/live/NAME -> ../archive/NAME/N                      the one to serve
//	certs/ca.pem                                              the local CA's certificate, for clients
//	certs/ca.pem.old                                          the one before, if it was replaced
//	private/ca-key.pem                                        its key
//
// certs/ is mounted read-only into Nginx, so the CA's key is not in it. The
// directory is mounted and not its files: a mount of one file pins the inode
// and never sees a renewal.
package certs
