package fsck

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// The directories of the layout, see package storage.
const (
	layout    = "docker/registry/v2"
	blobsDir  = layout + "/blobs"
	reposDir  = layout + "/repositories"
	layersDir = "_layers"
	manifests = "_manifests"
	uploads   = "_uploads"
)

// verdict is what an entry of a directory is taken for.
type verdict uint8

const (
	fine    verdict = iota // a file or directory that belongs there
	enter                  // a directory to look into
	unknown                // what no registry makes
	illegal                // a name that no registry takes
)

// place is a kind of directory in the layout: what may be in it.
type place func(name string, typ fs.FileMode) verdict

// only is for directories that have entries with fixed names.
func only(files, dirs []string) place {
	return func(name string, typ fs.FileMode) verdict {
		switch {
		case typ.IsRegular() && slices.Contains(files, name):
			return fine
		case typ.IsDir() && slices.Contains(dirs, name):
			return enter
		}
		return unknown
	}
}

var (
	algorithms = []string{storage.SHA256.String(), storage.SHA512.String()}
	linkPlace  = only([]string{"link"}, nil)
	dataPlace  = only([]string{"data"}, nil)
	algPlace   = only(nil, algorithms)
)

// digestsPlace holds directories that are named by digests, which begin with
// prefix.
func digestsPlace(alg, prefix string) place {
	return func(name string, typ fs.FileMode) verdict {
		_, err := storage.ParseDigest(alg + ":" + name)
		switch {
		case !typ.IsDir():
			return unknown
		case err == nil && strings.HasPrefix(name, prefix):
			return enter
		case err != nil && strings.ToLower(name) != name:
			return illegal
		}
		return unknown
	}
}

func prefixesPlace(name string, typ fs.FileMode) verdict {
	if len(name) == 2 && typ.IsDir() && strings.Trim(name, "0123456789abcdef") == "" {
		return enter
	}
	return unknown
}

// named holds directories whose names a client chose.
func named(valid func(string) bool) place {
	return func(name string, typ fs.FileMode) verdict {
		switch {
		case !typ.IsDir():
			return unknown
		case valid(name):
			return enter
		}
		return illegal
	}
}

// placeOf is what may be in the directory at path, which begins with docker.
func placeOf(path string) place {
	switch path {
	case "docker":
		return only(nil, []string{"registry"})
	case "docker/registry":
		return only(nil, []string{"v2"})
	case layout:
		return only(nil, []string{"blobs", "repositories"})
	}
	if below, ok := strings.CutPrefix(path, blobsDir); ok {
		parts := strings.Split(below, "/")[1:]
		switch len(parts) {
		case 0:
			return algPlace
		case 1:
			return prefixesPlace
		case 2:
			return digestsPlace(parts[0], parts[1])
		}
		return dataPlace
	}
	repository, own := splitRepository(path)
	switch {
	case own == nil:
		return repositoryPlace(repository)
	case own[0] == manifests && len(own) == 1:
		return only(nil, []string{"revisions", "tags"})
	case own[0] == manifests && own[1] == "revisions":
		if len(own) == 4 {
			return only([]string{"link"}, []string{"signatures"})
		}
		if len(own) > 4 {
			return linksPlace(own[5:]) // signatures
		}
		return linksPlace(own[2:])
	case own[0] == manifests && len(own) == 2:
		return named(storage.ValidTag)
	case own[0] == manifests && len(own) == 3:
		return only(nil, []string{"current", "index"})
	case own[0] == manifests && own[3] == "current":
		return linkPlace
	case own[0] == manifests:
		return linksPlace(own[4:])
	case own[0] == layersDir:
		return linksPlace(own[1:])
	case len(own) == 1:
		return named(func(string) bool { return true })
	case len(own) == 2:
		return only([]string{"data", "startedat"}, []string{"hashstates"})
	}
	return func(_ string, typ fs.FileMode) verdict { // states of hashes, by algorithm and offset
		if typ.IsDir() {
			return enter
		}
		return fine
	}
}

// linksPlace is for a directory of links, what lies above it being cut off.
func linksPlace(below []string) place {
	switch len(below) {
	case 0:
		return algPlace
	case 1:
		return digestsPlace(below[0], "")
	}
	return linkPlace
}

func repositoryPlace(name string) place {
	return func(entry string, typ fs.FileMode) verdict {
		switch {
		case !typ.IsDir():
			return unknown
		case name != "" && (entry == layersDir || entry == manifests || entry == uploads):
			return enter
		case storage.ValidRepository(strings.TrimPrefix(name+"/"+entry, "/")):
			return enter
		}
		return illegal
	}
}

// splitRepository cuts a path below repositories/ into the repository's name and
// what lies in the repository's own directories, nil if the path is not in any.
func splitRepository(path string) (name string, own []string) {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(path, reposDir), "/"), "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "_") {
			return strings.Join(parts[:i], "/"), parts[i:]
		}
	}
	return strings.Join(parts, "/"), nil
}
