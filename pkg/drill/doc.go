// Package drill proves that what was brought back from a backup can be pulled: it
// starts the registry's own program over it, on a Unix socket that nobody else
// has, asks for every tag and manifest through the API that clients use, reads
// every blob, and compares all of it with its digests.
//
// What is expected comes from the snapshot's listing, not from what was brought
// back, so that a tag which is missing is missed.
package drill
