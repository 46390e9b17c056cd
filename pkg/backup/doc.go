// Package backup keeps what a registry has somewhere else, and brings it back.
//
// A registry's blobs never change and are named by their digest. So a backup is a
// store of blobs, each written once, and for each run a snapshot: a listing of
// every link with its time, the deployment's configuration, counts, and the sums
// of all that. docs/backup-format.md describes the store so that a person restores
// from it with a shell.
//
// # Why a snapshot is whole
//
// Nothing is paused. Only a garbage collection takes blobs away, and that waits for
// the lock in the storage directory that a backup holds. A registry writes what a
// link names before it writes the link; so tags are read first, then revisions,
// then layers, and the blobs last, and whatever was read finds what it needs. Only
// a DELETE in between leaves a hole: each repository is compared with its own
// manifests, and read again when something is missing. What is missing each time
// is damage, told and kept as it is.
//
// Blobs are hashed on the way: a blob that does not match its digest never gets
// into the store. The bytes pass through this process since they have to be hashed
// anyway; that is one reading, where copy_file_range(2) and a check of the copy would
// be two.
//
// # Why the store is whole
//
// An object appears by a rename of what was flushed before, or by a PUT that is
// atomic; a snapshot's file of sums comes last of all, and without it there is no
// snapshot. A run that is killed leaves objects that the next one finds, and
// nothing that an earlier snapshot needs is ever written again (unless the size
// of what lies there shows that it is damaged). What removes
// objects has the store's lock to itself, see [Locked].
//
// # What makes it fast
//
// A registry has many small files, so that calls count more than bytes. Many small
// objects are flushed by one syncfs(2) before any of them gets its name, on systems
// where that guarantees as much as fsync(2) of each; large ones by themselves, and
// the disk begins with them while the rest is read. A restore is flushed at once at
// its end, before it may be swapped in. What it makes it makes from the directory
// where it made the last thing, see trail. Of links whose content their name tells,
// size and time are looked at; tags are read, each time: 2.x writes them in place,
// and no directory's time tells of that.
package backup
