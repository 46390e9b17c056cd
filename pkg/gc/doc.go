// Package gc frees what a registry no longer needs, while it serves, and can
// take that back.
//
// # How
//
//  1. Mark: every repository is read, then every blob listed. Nobody is held up.
//  2. Hold: writes of manifests and deletions wait at the front door. What
//     changed since is read again, and taken out of the plan.
//  3. Sweep: what is left is renamed into a trash on the same volume, which was
//     written down before. Each thing is looked at, and into, right before it goes.
//  4. Release. What was written around the sweep is looked at once more, and what
//     that needs is put back. Then the run is marked done.
//  5. Later the trash is purged, or the run undone.
//
// # Why nothing is lost
//
// A manifest that is put is seen: it writes its link among the revisions, so one
// that is new to the repository changes that directory's time, and one that is to
// go has a link whose own time changed. (2.x writes into the link, 3.x replaces it;
// either shows. A directory whose time is too near to the clock is read again,
// since a second change in the same tick does not show.) A directory without a
// link, which a deletion leaves, is watched by itself. So under the hold it takes a
// look at the directories of each repository, at what is new, and at the links of
// what is to go, not at the whole registry. A repository that is new is found by
// listing them.
//
// Uploads and mounts are not held. Each ends with a link in _layers, so they are
// seen alike, before the sweep and after the blobs went. An upload finds the blob
// there in the very instant before it goes, says that it is there and writes its
// link: that link is seen by the look after, and the blob put back, before the
// client's manifest, which waits, is let through. (Where the repository is new in
// that instant, or the link was to go itself, the blob comes back a moment after:
// a manifest in between is refused, and the push has to be tried again.) Later than
// that an upload finds no blob and brings it. A blob goes with its directory by one rename, so that no
// upload finds half of it.
//
// A write that was let through before the hold and has not ended by the last look
// may still be missed. The registry compared its manifest with what was there, so
// the blobs are in the trash: the next run finds that they are needed, and puts
// them back before it purges anything.
//
// A client that asked for a blob before the sweep and puts its manifest after it
// gets an error, and its push has to be tried again. The grace makes that rare: what
// is younger, or was linked again since, stays. What clients were told of without a
// trace on the disk can be given as Options.Keep.
//
// A kill at any instant leaves the journal of a run that is not marked done. The
// next run puts back what it took, so that nothing depends on where it was.
//
// Whatever cannot be read, or does not match its digest, or names what is not
// there, makes everything stay that its repository links; the others are
// collected. What no registry makes is told of and left alone. Clocks are not
// trusted alone: a blob's age is also that of its inode, and the earlier of this
// machine's clock and the file system's counts.
//
// # What it costs
//
// A rename each, which a file system does one at a time: two thirds of a run that
// finds the tree in memory. So the trash has many small directories, in which a
// name is found at once, and while one goroutine's rename waits its turn, another
// looks at what it renames next. The rest is a look at each file's times and the
// content of links and manifests. Nothing is noted as read: to write that time of
// every file once a day is what reading them would cost most.
//
// # What stays and goes
//
// See [Options] and decide. Children of an index stay with it. What is about a
// manifest (its subject: signatures, attestations) stays and goes with it, also
// through several steps, unless it has a tag of its own. Where the subject is not in
// the repository it is a manifest like others. Untagged manifests stay unless the
// options say otherwise; then the age that counts is since they were pushed, or lost
// their last tag as far as the histories of tags tell.
//
// Layers' links go that no manifest of their repository uses, even if the blob
// stays for another's sake; so do uploads that were given up, and repositories that
// have nothing left.
//
// S3 and other object storage have no rename, no times of links and no hold on
// one file: this package is for file systems.
package gc
