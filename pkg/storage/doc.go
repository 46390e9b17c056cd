// Package storage reads the directory in which a CNCF Distribution registry
// (2.x and 3.x, filesystem driver) keeps its content. The collector, the checks
// and the backups stand on it; it knows what is there and decides nothing.
//
// The layout, below the root of the storage (a volume, a bind mount):
//
//	docker/registry/v2/blobs/<alg>/<hh>/<hex>/data
//	docker/registry/v2/repositories/<name>/_layers/<alg>/<hex>/link
//	docker/registry/v2/repositories/<name>/_manifests/revisions/<alg>/<hex>/link
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
//	docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/index/<alg>/<hex>/link
//	docker/registry/v2/repositories/<name>/_uploads/<uuid>/{data,startedat,hashstates/…}
//	.regctl/                           of regctl itself: hold, lock, trash
//
// In short:
//
//	Open(dir) (*Store, error)          Close, Dir
//	Store.Repositories(ctx)            every repository's name, sorted, and what is unknown there
//	Store.Repository(name)             *Repository, to be closed
//	Repository.Tags()                  []Tag: name, digest, push time, fault
//	Repository.History(tag)            []Link: every digest that the tag ever had
//	Repository.Revisions()             []Link, each read
//	Repository.Layers(read, visit)     links one by one; contents only if read (aliases always)
//	Repository.Uploads()               []Upload
//	Store.Blobs(ctx, workers, visit)   every blob: digest, size, times
//	Store.Stat(digest)                 one blob
//	Store.OpenBlob, ReadBlob           its bytes; not verified
//	Store.Manifest(digest)             bounded, verified against the digest, parsed
//	ParseManifest(bytes)               of any kind
//	Repository.States()                whether entries came or went since
//	Store.Lstat, List                  anything below the root
//	Store.Move, Mover                  rename within the root, never replacing anything
//
// Paths in this package are relative to the root, with slashes. Every directory
// is opened from its parent's descriptor without following symbolic links, so
// nothing outside the root is ever touched; a symbolic link is an unknown entry.
// (The root itself may be one: its user chose it.)
//
// A link's fault says what is wrong with it, see [Fault]; entries that no
// registry makes come as a [Problem] with ID [UnknownEntry]. Methods return an
// error only for what keeps them from reading on: a fault of one entry is the
// entry's.
package storage
