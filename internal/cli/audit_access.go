package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/accesslog"
	"github.com/regctl/regctl/pkg/compose"
)

// accessEntry is what a client did to an image, or tried to.
type accessEntry struct {
	Time       time.Time `json:"time" doc:"when it was answered"`
	User       string    `json:"user" doc:"who logged in; empty: nobody"`
	Address    string    `json:"address" doc:"of the client, as the registry sees it"`
	Action     string    `json:"action" doc:"push, pull, delete, or list"`
	Repository string    `json:"repository" doc:"name"`
	Reference  string    `json:"reference" doc:"tag or digest"`
	Status     int       `json:"status" doc:"HTTP status"`
	Decision   string    `json:"decision" doc:"of the front door: allowed, or why not"`
	Agent      string    `json:"agent" doc:"what the client calls itself"`
}

// access reads from Nginx's log what clients did since then.
func (a *App) access(ctx context.Context, d *deployment, since time.Time) ([]accessEntry, error) {
	e, err := a.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	containers, err := e.Containers(ctx, d.cfg.Project)
	if err != nil {
		return nil, err
	}
	if err := d.owns(containers); err != nil {
		return nil, err
	}
	c, ok := find(containers, compose.ServiceNginx)
	if !ok {
		return nil, errNotRunning(d)
	}
	out := []accessEntry{}
	err = e.Logs(ctx, c.ID, since, &accesslog.Reader{Each: func(l accesslog.Line, _ []byte) error {
		if x, ok := action(l); ok && !l.Time.Before(since.Truncate(time.Second)) {
			out = append(out, x)
		}
		return nil
	}})
	return out, err
}

// action turns a request into what a person calls an action. Whoever pulls or pushes
// an image makes many requests; the one for its manifest stands for all, and what
// was refused after a login stands for itself. Requests without a login are how
// every client begins.
func action(l accesslog.Line) (accessEntry, bool) {
	x := accessEntry{Time: l.Time, User: l.User, Address: l.Address, Repository: l.Repository, Reference: l.Reference,
		Status: l.Status, Decision: l.Decision, Agent: l.Agent}
	manifest := strings.HasPrefix(l.Path, "/v2/") && strings.Contains(l.Path, "/manifests/")
	blob := strings.HasPrefix(l.Path, "/v2/") && strings.Contains(l.Path, "/blobs/")
	switch {
	case l.Method == http.MethodDelete && (manifest || blob && !strings.Contains(l.Path, "/blobs/uploads/")):
		x.Action = "delete"
	case manifest && l.Method == http.MethodPut:
		x.Action = "push"
	case manifest && l.Method == http.MethodGet:
		x.Action = "pull"
	case l.Path == "/v2/_catalog":
		x.Action = "list"
	case l.Status == http.StatusForbidden && l.Verb != "":
		x.Action = l.Verb
	default:
		return x, false
	}
	return x, l.User != "" || l.Status < 400
}

func (e accessEntry) who() string {
	user := e.User
	if user == "" {
		user = "-"
	}
	return user + " from " + e.Address
}

func (e accessEntry) outcome() string {
	switch {
	case e.Status < 400:
		return "done"
	case e.Status == http.StatusForbidden:
		return "refused"
	}
	return fmt.Sprintf("HTTP %d", e.Status)
}

func (e accessEntry) what() string {
	what := e.Action
	if e.Repository != "" {
		what += " " + e.Repository
		if strings.Contains(e.Reference, ":") {
			what += "@" + e.Reference
		} else if e.Reference != "" {
			what += ":" + e.Reference
		}
	}
	return what
}
