package gc

import "github.com/regctl/regctl/pkg/storage"

// Trashed are the blobs that lie in the trash, with the paths of their data below
// the root. They stay there until the trash is freed; nobody has compared them with
// their digests.
func Trashed(s *storage.Store) (map[storage.Digest]string, error) {
	t, err := openTrash(s, nil)
	if err != nil {
		return nil, err
	}
	out := map[storage.Digest]string{}
	for _, run := range t.runs {
		if _, _, err := t.journal(run, func(_ string, it item) error {
			if it.kind == kindBlob {
				out[it.digest] = trashPath(run.name, it.number) + "/data"
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}
