// Package fsck finds out what is wrong in a registry's storage directory, says
// which tags cannot be pulled because of it, and mends what can be mended.
//
// # Checking
//
//  1. Walk: every directory is listed, every file looked at. Blobs are found here,
//     and what no registry makes.
//  2. Hash, unless Options.Fast: every blob, or a slice of them, is read and
//     compared with its digest.
//  3. Judge: every repository's links are read and followed as the registry would
//     follow them to serve a pull: tag, manifest, children, config, layers.
//  4. Look again: what seems damaged may be a push or a deletion under way, so that
//     it counts only if it is still there once it has not changed for a while.
//
// Blobs are listed before links are read. A registry writes the other way round,
// what is referred to first; so a blob that is not in the list but is there when it
// is asked for is one that came meanwhile. Nothing is locked and nothing written: a
// check runs beside pushes, collections and backups, and on a read-only volume.
//
// How the registry follows links (registry/storage/linkedblobstore.go,
// registry.go of Distribution): a manifest of a repository is one that has a
// link among its revisions or, from a fault of 2.1.0, among its layers; a layer or
// config has one in _layers. A link that is there and does not parse is an error
// at once. Bytes are served as they are.
//
// # Mending
//
// [Plan] makes steps from a report, [Mend] carries them out under the storage's
// lock. Data that is bad is moved to .regctl/damaged/<time>/ under its own path
// before anything comes into its place, and never deleted. What comes is read into a
// temporary file, compared with its digest and flushed before it is renamed into
// its place, where nothing is replaced. Each step is whole by itself, so that
// a run killed at any instant leaves what the next check understands.
package fsck
