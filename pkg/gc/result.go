package gc

import (
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Result is what a run did, or would do.
type Result struct {
	DryRun       bool      `json:"dry_run" doc:"nothing was changed"`
	Run          string    `json:"run,omitempty" doc:"the name of what went to the trash"`
	Repositories int       `json:"repositories" doc:"repositories that were looked at"`
	Manifests    Count     `json:"manifests" doc:"manifests of all repositories, each counted in each"`
	Tags         Count     `json:"tags" doc:"tags of all repositories"`
	Blobs        BlobCount `json:"blobs" doc:"objects under blobs/, manifests too"`
	Bytes        Bytes     `json:"bytes" doc:"of blobs"`
	Links        int       `json:"links_deleted" doc:"links of layers and configs that went"`
	Uploads      int       `json:"uploads_deleted" doc:"abandoned uploads that went"`
	Emptied      int       `json:"repositories_deleted" doc:"repositories that went, with nothing left in them"`
	PutBack      int       `json:"put_back" doc:"what was needed again by the time it had gone, and was put back"`
	Purged       int64     `json:"bytes_purged" doc:"bytes of old trash that were freed"`
	HoldMS       int64     `json:"hold_ms" doc:"how long writes were held, in milliseconds"`
	DurationMS   int64     `json:"duration_ms" doc:"how long it took, in milliseconds"`
	Problems     []Problem `json:"problems" doc:"what a person should know of"`

	hold, duration time.Duration
}

// Count is how many stay and go.
type Count struct {
	Kept    int `json:"kept" doc:"stay"`
	Deleted int `json:"deleted" doc:"go"`
}

// BlobCount is a Count with what was there before.
type BlobCount struct {
	Total   int `json:"total" doc:"were there"`
	Kept    int `json:"kept" doc:"stay"`
	Deleted int `json:"deleted" doc:"go"`
}

// Bytes is how much stays and goes.
type Bytes struct {
	Kept  int64 `json:"kept" doc:"stay"`
	Freed int64 `json:"freed" doc:"left blobs/, also while they lie in the trash"`
}

// Problem is a problem of the storage and what it means for the collection.
type Problem struct {
	storage.Problem
	// Damage is false for what is only told: an unknown file, an index that was
	// pushed without all its manifests.
	Damage bool `json:"damage" doc:"needs a person; what the repository links was kept"`
}

// Damaged tells whether there is a problem that needs a person: exit status 3.
func (r *Result) Damaged() bool {
	for _, p := range r.Problems {
		if p.Damage {
			return true
		}
	}
	return false
}
