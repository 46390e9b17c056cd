package fsck

import "github.com/regctl/regctl/pkg/storage"

// Severity says what a finding means for a person.
type Severity string

// From bad to harmless.
const (
	// Damage: something that is kept cannot be served as it was pushed.
	Damage Severity = "damage"
	// Warning: everything is served today, but somebody should know.
	Warning Severity = "warning"
	// Untidy: nothing is wrong with what is served, and nobody has to act.
	Untidy Severity = "untidy"
)

// The IDs of findings, beside those of package storage. None ever changes its
// meaning.
const (
	LayerMissing     = "layer-missing"
	BlobMissing      = "blob-missing"
	BlobCorrupt      = "blob-corrupt"
	BlobEmpty        = "blob-empty"
	BlobSize         = "blob-size"
	DescriptorSize   = "descriptor-size"
	Schema1          = "schema1"
	RevisionInLayers = "revision-in-layers"
	HistoryLink      = "history-link"
	HistoryMissing   = "history-missing"
	IllegalName      = "illegal-name"
	Owner            = "owner"
	Mode             = "mode"
	TemporaryFile    = "temporary-file"
	UploadStale      = "upload-stale"
	LayerDangling    = "layer-dangling"
	RepositoryEmpty  = "repository-empty"
	EmptyDirectory   = "empty-directory"
)

// Kind is what there is to know of all findings with one ID.
type Kind struct {
	ID       string
	Severity Severity
	// Meaning is what is wrong, Mends what helps; both for a person.
	Meaning, Mends string
}

// mends, for what has the same remedy.
const (
	mendsFetch   = "`fsck --repair --from …` fetches it by its digest; or push the image again after `fsck --repair` has moved the bad one aside"
	mendsLink    = "`fsck --repair` writes it anew from the name of its directory"
	mendsCurrent = "`fsck --repair --yes` writes it anew from the tag's history; or push the tag again"
	mendsGC      = "`gc` removes it"
	mendsNothing = "nothing need be done"
)

// Kinds are all findings that there can be, the worst first.
func Kinds() []Kind {
	return []Kind{
		{BlobCorrupt, Damage, "a blob's bytes do not match its digest; the registry serves them, and clients refuse them", mendsFetch},
		{BlobMissing, Damage, "a config or layer that a manifest names is not there", mendsFetch},
		{BlobEmpty, Damage, "a blob has no bytes, which is what a crash leaves", mendsFetch},
		{BlobSize, Damage, "a blob has another size than a manifest says; its bytes were not compared in this run", "a full `fsck` tells whether the blob is damaged or the manifest wrong"},
		{DescriptorSize, Damage, "a manifest gives a wrong size for a blob that matches its digest; many clients refuse it", "push the image again: it was pushed like that"},
		{storage.ManifestMissing, Damage, "a manifest's link is there, its blob is not", mendsFetch},
		{storage.ManifestCorrupt, Damage, "a manifest's bytes do not match its digest", mendsFetch},
		{storage.ManifestUnreadable, Damage, "a manifest cannot be read, is too large, or is none", mendsFetch},
		{storage.RevisionMissing, Damage, "a tag names a manifest that the repository does not have", "`fsck --repair` links it if its blob is still there, with `--from` also if not"},
		{storage.ChildMissing, Damage, "an index names a manifest that the repository does not have: its platform cannot be pulled", "`fsck --repair` links it if its blob is still there, with `--from` also if not; `--sparse` if it was pushed so on purpose"},
		{LayerMissing, Damage, "a manifest names a config or layer that the repository has no link to", "`fsck --repair` links it if its blob is still there, with `--from` also if not"},
		{string(storage.LinkMissing), Damage, "a tag has no current link", mendsCurrent},
		{string(storage.LinkEmpty), Damage, "a link is empty, which is what a crash leaves", mendsLink + "; for a tag with `--yes`"},
		{string(storage.LinkNewline), Damage, "a link ends with a newline, as an editor leaves it; the registry cannot read it", mendsLink + "; for a tag with `--yes`"},
		{string(storage.LinkInvalid), Damage, "a link holds something else than a digest", mendsLink + "; for a tag with `--yes`"},
		{string(storage.LinkMismatch), Damage, "a link names another digest than its directory: the registry serves the wrong content", mendsLink},
		{string(storage.LinkUnreadable), Damage, "a link cannot be read, or is not a file", mendsLink + "; for a tag with `--yes`"},
		{storage.Unreadable, Damage, "a directory or blob cannot be read", "look at the permissions and at the disk (`dmesg`)"},
		{Schema1, Warning, "a manifest of schema 1, as before 2016: registry 3 serves none", "push the image again with a client of today"},
		{RevisionInLayers, Warning, "a manifest is linked among the layers alone, as registry 2.1 did; gc keeps everything of such a repository", mendsLink},
		{HistoryLink, Warning, "a link in a tag's history is damaged; pulls do not need it", mendsLink},
		{IllegalName, Warning, "a name that no registry takes; it is never served and never removed", "look what it is, then move it away by hand"},
		{Owner, Warning, "files belong to somebody else than the storage does", "`chown -R` to the owner of `docker/registry/v2`, if the registry does not run as root"},
		{Mode, Warning, "files that their owner cannot read, or everybody can write to", "`chmod -R u+rwX,o-w`"},
		{storage.UnknownEntry, Untidy, "a file or directory that no registry makes", "look what it is, then move it away by hand"},
		{TemporaryFile, Untidy, "a temporary file that a killed process left", mendsNothing + "; it may be removed"},
		{UploadStale, Untidy, "an upload that was given up", mendsGC},
		{LayerDangling, Untidy, "a layer's link without its blob that no manifest needs, as registry 2 leaves them", mendsGC},
		{HistoryMissing, Untidy, "a tag's digest is not in its history", mendsLink},
		{RepositoryEmpty, Untidy, "a repository without tags and manifests", mendsGC},
		{EmptyDirectory, Untidy, "a blob's directory without its data", mendsGC},
	}
}

// severities is the table by ID.
func severities() map[string]Severity {
	out := map[string]Severity{}
	for _, k := range Kinds() {
		out[k.ID] = k.Severity
	}
	return out
}
