package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// engine asks the Docker Engine what containers used. A client of a few lines:
// the figures should not depend on the code that they measure.
type engine struct {
	http    *http.Client
	ctx     context.Context
	api     string // version of the API, of the Engine's choice
	version string
	mute    bool // it does not tell what containers use
}

func newEngine(ctx context.Context) (*engine, error) {
	socket, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if !ok {
		socket = "/var/run/docker.sock"
	}
	e := &engine{ctx: ctx, http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
	var v struct{ Version, APIVersion string }
	err := e.get("/version", &v)
	e.version, e.api = v.Version, "/v"+v.APIVersion
	return e, err
}

func (e *engine) get(path string, into any) error {
	req, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "http://docker"+e.api+path, nil)
	if err != nil {
		return err
	}
	reply, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, 4<<20))
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", reply.StatusCode, body)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("docker engine: %s: %w", path, err)
	}
	return nil
}

// container is one of a Compose project.
type container struct {
	id, service string
	pid         int // of its first process, on this machine
}

// containers lists those of a project that run.
func (e *engine) containers(project string) ([]container, error) {
	filter, err := json.Marshal(map[string][]string{"label": {"com.docker.compose.project=" + project}})
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID     string `json:"Id"`
		Labels map[string]string
	}
	if err := e.get("/containers/json?filters="+url.QueryEscape(string(filter)), &list); err != nil {
		return nil, err
	}
	all := make([]container, 0, len(list))
	for _, c := range list {
		var about struct{ State struct{ Pid int } }
		if err := e.get("/containers/"+c.ID+"/json", &about); err != nil {
			return nil, err
		}
		all = append(all, container{c.ID, c.Labels["com.docker.compose.service"], about.State.Pid})
	}
	return all, nil
}
