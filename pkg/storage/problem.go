package storage

// Problem is something wrong in the storage, in the form in which the commands
// report it.
type Problem struct {
	// ID says what is wrong; it never changes its meaning.
	ID         string `json:"id"`
	Repository string `json:"repository,omitempty"`
	Digest     Digest `json:"digest,omitzero"`
	// Path is relative to the root of the storage.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// The IDs of problems. Faults of links are IDs too, see [Fault].
const (
	// UnknownEntry is a file or directory that no registry makes. It is left alone.
	UnknownEntry = "unknown-entry"
	// ManifestMissing is a manifest whose blob is not there.
	ManifestMissing = "manifest-missing"
	// ManifestCorrupt is one whose bytes do not match its digest.
	ManifestCorrupt = "manifest-corrupt"
	// ManifestUnreadable is one that is too large, cannot be read or understood.
	ManifestUnreadable = "manifest-unreadable"
	// RevisionMissing is a digest that a tag or an index names and the repository
	// has no manifest of.
	RevisionMissing = "revision-missing"
	// ChildMissing is a manifest that an index names and that is not there at all.
	// That is legal: an index may be pushed without all that it names.
	ChildMissing = "child-missing"
	// Unreadable is a directory or file that cannot be read.
	Unreadable = "unreadable"
)

// Fault is what is wrong with a link; empty when nothing is.
type Fault string

// What can be wrong with a link.
const (
	// LinkMissing is a directory without the link it is there for. That is how the
	// registry deletes a manifest or layer: only a tag without its link is damaged.
	LinkMissing Fault = "link-missing"
	// LinkEmpty is what a crash leaves of a link that 2.x wrote.
	LinkEmpty Fault = "link-empty"
	// LinkNewline is a digest with a newline behind it: a person's edit, that no
	// registry can read.
	LinkNewline Fault = "link-newline"
	// LinkInvalid has other content than a digest.
	LinkInvalid Fault = "link-invalid"
	// LinkMismatch is a digest other than the one of the directory that it lies in.
	LinkMismatch Fault = "link-mismatch"
	// LinkUnreadable cannot be read, or is not a regular file.
	LinkUnreadable Fault = "link-unreadable"
)

// Text is a sentence's predicate about the link.
func (f Fault) Text() string {
	switch f {
	case LinkMissing:
		return "the link is missing"
	case LinkEmpty:
		return "the link is empty"
	case LinkNewline:
		return "the link ends with a newline, which the registry cannot read"
	case LinkInvalid:
		return "the link holds something else than a digest"
	case LinkMismatch:
		return "the link names another digest than its directory"
	case LinkUnreadable:
		return "the link cannot be read"
	}
	return ""
}
