package storage

import (
	"regexp"
	"strings"
)

// Directories of the layout. Of Distribution: registry/storage/paths.go.
const (
	layout       = "docker/registry/v2"
	blobsDir     = layout + "/blobs"
	reposDir     = layout + "/repositories"
	layersDir    = "_layers"
	manifestsDir = "_manifests"
	uploadsDir   = "_uploads"
	revisionsDir = manifestsDir + "/revisions"
	tagsDir      = manifestsDir + "/tags"

	// StateDir is regctl's own directory beside docker/.
	StateDir = ".regctl"
)

var (
	component = regexp.MustCompile(`^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$`)
	tagName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// ValidRepository tells whether a registry takes the name: components of
// lower-case letters and digits, joined by single separators, 255 bytes in all.
func ValidRepository(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for c := range strings.SplitSeq(name, "/") {
		if !component.MatchString(c) {
			return false
		}
	}
	return true
}

// ValidTag tells whether a registry takes the tag.
func ValidTag(tag string) bool { return tagName.MatchString(tag) }

// BlobPath is the directory that holds a blob's data.
func BlobPath(d Digest) string {
	h := d.Hex()
	return blobsDir + "/" + d.alg.String() + "/" + h[:2] + "/" + h
}

// RepositoryPath is a repository's directory; other repositories may lie below.
func RepositoryPath(name string) string { return reposDir + "/" + name }

// LayerPath is the directory that holds the link of a layer or config.
func LayerPath(repository string, d Digest) string {
	return reposDir + "/" + repository + "/" + layersDir + "/" + d.alg.String() + "/" + d.Hex()
}

// RevisionPath is the directory that holds the link of a manifest.
func RevisionPath(repository string, d Digest) string {
	return reposDir + "/" + repository + "/" + revisionsDir + "/" + d.alg.String() + "/" + d.Hex()
}

// TagPath is a tag's directory.
func TagPath(repository, tag string) string {
	return reposDir + "/" + repository + "/" + tagsDir + "/" + tag
}

// TagLinkPath is the link that says what a tag is now.
func TagLinkPath(repository, tag string) string {
	return TagPath(repository, tag) + "/current/link"
}

// HistoryPath is the directory that holds the link of a digest which a tag has
// or once had.
func HistoryPath(repository, tag string, d Digest) string {
	return TagPath(repository, tag) + "/index/" + d.alg.String() + "/" + d.Hex()
}

// UploadPath is an upload's directory.
func UploadPath(repository, id string) string {
	return reposDir + "/" + repository + "/" + uploadsDir + "/" + id
}
