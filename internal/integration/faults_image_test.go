//go:build integration

package integration

import (
	"net/http"
	"testing"
)

// noSuchImage is at a registry that refuses the connection at once.
const noSuchImage = "127.0.0.1:1/no-such-image:1"

// TestImageMissing starts a stack of which an image does not exist.
func TestImageMissing(t *testing.T) {
	t.Parallel()
	says := []string{noSuchImage + " is not on this host and cannot be pulled", "hint: docker pull " + noSuchImage}
	for _, service := range []string{"registry", "nginx"} {
		t.Run(service+", from nothing", func(t *testing.T) {
			d := initialised(t, options{})
			d.setConfig(t, service, "image", noSuchImage)
			before := d.tree(t)
			d.regctl(t, "up").want(t, 5, says...)
			sameMap(t, "files", before, d.tree(t))
			d.noContainers(t)
		})
	}
	t.Run("while the stack runs", func(t *testing.T) {
		d := stack(t, options{})
		good := d.read(t, "regctl.yaml")
		d.setConfig(t, "registry", "image", noSuchImage)
		d.untouched(t, func() { d.regctl(t, "up").want(t, 5, says...) })
		if got := d.login(t, d.user, d.password); got != http.StatusOK {
			t.Errorf("login: %d", got)
		}
		d.write(t, "regctl.yaml", good)
		d.untouched(t, func() { d.must(t, "up") })
	})
	t.Run("in the override", func(t *testing.T) {
		d := initialised(t, options{})
		d.write(t, "docker-compose.override.yml", "services:\n  more:\n    image: "+noSuchImage+"\n")
		d.regctl(t, "up").want(t, 1, "docker compose up", "127.0.0.1:1")
	})
}
