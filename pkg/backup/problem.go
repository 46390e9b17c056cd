package backup

import "github.com/regctl/regctl/pkg/storage"

// Problem is something that needs a person, in the form of all commands. Path is
// relative to the storage's root, or to the store.
type Problem = storage.Problem

// The IDs of problems, beside those of [storage].
const (
	// BlobCorrupt is a blob of the registry that does not match its digest. It is
	// not in the backup, unless the store had it already.
	BlobCorrupt = "blob-corrupt"
	// BlobMissing is a blob that a link names and the registry does not have.
	BlobMissing = "blob-missing"
	// LayerUnlinked is a layer that a manifest names and its repository does not link.
	LayerUnlinked = "layer-unlinked"
	// ObjectCorrupt, ObjectMissing and ObjectSize are about the store's blobs.
	ObjectCorrupt = "backup-blob-corrupt"
	ObjectMissing = "backup-blob-missing"
	ObjectSize    = "backup-blob-size"
	// SnapshotDamaged is a snapshot that cannot be read.
	SnapshotDamaged = "backup-snapshot-damaged"
)

// Dropped is a tag that was deleted while the backup was made, and is not in it.
type Dropped struct {
	Repository string         `json:"repository" doc:"where the tag was"`
	Tag        string         `json:"tag" doc:"its name"`
	Digest     storage.Digest `json:"digest" doc:"what it was"`
}

// Progress is how far something has come; Total is 0 while it is unknown.
type Progress struct {
	Phase Phase
	// Done and Total count what the phase is about.
	Done, Total int64
	// Bytes and BytesTotal are of blobs.
	Bytes, BytesTotal int64
}

// Phase is what is being done.
type Phase string

// The phases.
const (
	PhaseScan    Phase = "scan"    // repositories are read
	PhaseCopy    Phase = "copy"    // blobs are copied
	PhaseVerify  Phase = "verify"  // blobs of the store are looked at
	PhaseRestore Phase = "restore" // blobs are brought back
	PhaseLinks   Phase = "links"   // links are written
	PhasePrune   Phase = "prune"   // objects are removed
)
