//go:build integration

package integration

import "testing"

// TestFront asks the front door of both registries for its judgement: who may
// do what, and what becomes of it.
func TestFront(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			f := newFront(t, options{registry: version.image}, `immutable: ["release/**:v*"]`)
			people := f.people(t)
			seeds := map[string]seed{}
			for _, repo := range repositories {
				seeds[repo] = f.seedRepository(t, repo)
			}
			t.Run("rights", func(t *testing.T) { testRights(t, f, people, seeds) })
			t.Run("spellings of a path", func(t *testing.T) { testPaths(t, f, people, seeds) })
			t.Run("headers", func(t *testing.T) { testHeaderForms(t, f, people) })
			t.Run("mounts", func(t *testing.T) { testMounts(t, f, people, seeds) })
			t.Run("sessions", func(t *testing.T) { testSessions(t, f, people) })
			t.Run("blobs", func(t *testing.T) { testBlobs(t, f, people, seeds) })
			t.Run("immutable tags", func(t *testing.T) { testImmutable(t, f, people) })
			t.Run("what immutable tags are made of", func(t *testing.T) { testImmutableBelow(t, f) })
			t.Run("hold", func(t *testing.T) { testHold(t, f, people) })
			t.Run("hold and what comes slowly", func(t *testing.T) { testHoldAsItComes(t, f) })
			t.Run("hold without an owner", func(t *testing.T) { testHoldAge(t, f) })
			t.Run("access log", func(t *testing.T) { testLog(t, f, people) })
			t.Run("clients", func(t *testing.T) { testRightsByClient(t, f) })
		})
	}
}
