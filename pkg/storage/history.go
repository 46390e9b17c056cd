package storage

import "errors"

// History are the links of all digests that a tag has or had, each read.
func (r *Repository) History(tag string) ([]Link, error) {
	if !ValidTag(tag) {
		return nil, failed("open", tag, errors.New("not a tag's name"))
	}
	return r.links(tagsDir+"/"+tag+"/index", false)
}

// HistoryOf is [Repository.History] of a tag that was read. Where the file system
// tells that there is one digest, the tag's own, as with nearly all tags, its link
// is only looked at, as by [Repository.Layers]. No directory is listed for it, so
// that what a registry does not make there is not told of.
func (r *Repository) HistoryOf(t Tag) ([]Link, error) {
	if t.Fault != "" || t.Digest.alg != SHA256 {
		return r.History(t.Name)
	}
	index := tagsDir + "/" + t.Name + "/index"
	for _, dir := range []string{index, index + "/sha256"} {
		if i, err := r.d.stat(dir); err != nil || !i.Mode.IsDir() || i.Subdirectories() != 1 {
			return r.History(t.Name)
		}
	}
	i, err := r.d.stat(index + "/sha256/" + t.Digest.Hex() + "/link")
	if err != nil || !i.Mode.IsRegular() || i.Size != linkSize {
		return r.History(t.Name)
	}
	return []Link{{Digest: t.Digest, Target: t.Digest, ModTime: i.ModTime, Changed: i.Changed}}, nil
}
