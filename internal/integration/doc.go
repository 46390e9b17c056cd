// Package integration holds the tests that need the real thing: a Docker
// Engine, Docker Compose, a real Nginx and both versions of the real registry.
//
//	go test -tags integration ./internal/integration/...
//
// They use the binary that REGCTL_BIN names, or build one. Nothing is skipped:
// an engine, an image or a tool that is missing is a failure. Each test has a
// Compose project and a directory of its own and removes both; what a killed run
// left behind is removed by the next one. All traffic stays on loopback.
//
// The images are the stand-ins that `make images` builds, unless
// REGCTL_IT_NGINX, REGCTL_IT_REGISTRY2 or REGCTL_IT_REGISTRY3 name others.
package integration
