package backup

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"
)

// partsMostS3 is how many parts an upload may have.
const partsMostS3 = 10_000

// putLarge sends an object of known size in parts. An upload that a run left which
// was killed or cut off is taken up again: all bytes are read and hashed, and the
// parts that the storage has with the same MD5 are not sent once more. (Where its
// ETags are no MD5, all are.) Who reads what is wrong leaves nothing.
func (b *bucket) putLarge(ctx context.Context, name string, size int64, r io.Reader) error {
	core, key := &minio.Core{Client: b.client}, b.prefix+name
	part := b.part
	for size > part*partsMostS3 {
		part *= 2
	}
	id, have := b.leftUpload(ctx, core, key)
	if id == "" {
		var err error
		if id, err = core.NewMultipartUpload(ctx, b.name, key, minio.PutObjectOptions{ContentType: contentType}); err != nil {
			return b.about(name, err)
		}
	}
	var sent []minio.CompletePart
	buffer := make([]byte, part)
	for n, left := 1, size; left > 0; n++ {
		data := buffer[:min(part, left)]
		if _, err := io.ReadFull(r, data); err != nil {
			_ = core.AbortMultipartUpload(context.WithoutCancel(ctx), b.name, key, id) // prune sweeps what stays
			return err
		}
		left -= int64(len(data))
		sum := md5.Sum(data)
		etag := hex.EncodeToString(sum[:])
		if have[n] != etag {
			p, err := core.PutObjectPart(ctx, b.name, key, id, n, bytes.NewReader(data), int64(len(data)),
				minio.PutObjectPartOptions{Md5Base64: base64.StdEncoding.EncodeToString(sum[:]), DisableContentSha256: true})
			if err != nil {
				return b.finished(ctx, name, size, err)
			}
			etag = p.ETag
		}
		sent = append(sent, minio.CompletePart{PartNumber: n, ETag: etag})
	}
	_, err := core.CompleteMultipartUpload(ctx, b.name, key, id, sent, minio.PutObjectOptions{ContentType: contentType})
	return b.finished(ctx, name, size, err)
}

// finished looks what became of an upload. Two hosts may have sent the same blob in
// one: who comes second finds it gone, and the object there.
func (b *bucket) finished(ctx context.Context, name string, size int64, err error) error {
	if err == nil || minio.ToErrorResponse(err).Code != "NoSuchUpload" {
		return b.about(name, err)
	}
	o, statErr := b.client.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{})
	if statErr != nil || o.Size != size {
		return fmt.Errorf("%s: the upload was removed meanwhile: %w", b.at(name), err)
	}
	return nil
}

// leftUpload finds an upload of an object that was begun and not ended, and the
// MD5s of its parts; none where the storage cannot tell.
func (b *bucket) leftUpload(ctx context.Context, core *minio.Core, key string) (id string, have map[int]string) {
	list, err := core.ListMultipartUploads(ctx, b.name, key, "", "", "", 100)
	if err != nil {
		return "", nil
	}
	for _, u := range list.Uploads {
		if u.Key == key {
			id = u.UploadID
		}
	}
	if id == "" {
		return "", nil
	}
	have = map[int]string{}
	for after := 0; ; {
		parts, err := core.ListObjectParts(ctx, b.name, key, id, after, 1000)
		if err != nil {
			return "", nil
		}
		for _, p := range parts.ObjectParts {
			have[p.PartNumber] = strings.Trim(p.ETag, `"`)
		}
		if !parts.IsTruncated || parts.NextPartNumberMarker <= after {
			return id, have
		}
		after = parts.NextPartNumberMarker
	}
}
