package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// SaveImages streams images with their layers, as `docker save` does. The caller
// closes the stream.
func (c *Client) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	r, err := c.api.ImageSave(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("save images: %w", err)
	}
	return r, nil
}

// LoadImages gives the engine images in the form that SaveImages writes, plain or
// packed with gzip. It ends when the engine has them.
func (c *Client) LoadImages(ctx context.Context, archive io.Reader) error {
	res, err := c.api.ImageLoad(ctx, archive)
	if err != nil {
		return fmt.Errorf("load images: %w", err)
	}
	defer res.Body.Close()
	// The status is 200 before the engine has read anything: whether it worked
	// is in the lines that follow.
	dec := json.NewDecoder(res.Body)
	for {
		var line struct{ Error string }
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("load images: %w", err)
		case line.Error != "":
			return fmt.Errorf("load images: %s", line.Error)
		}
	}
}
