package config

import (
	"path"
	"regexp"
	"strings"
)

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	recipient  = regexp.MustCompile(`^age1[0-9a-z]{50,}$`)
)

func checkBackupTarget(text string) string {
	if rest, ok := strings.CutPrefix(text, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(rest, "/")
		if !bucketName.MatchString(bucket) {
			return "has to name a bucket: s3://bucket/prefix"
		}
		if p := strings.Trim(prefix, "/"); p != "" && path.Clean("/"+p) != "/"+p {
			return "has a prefix with . or .. or // in it"
		}
		return ""
	}
	if !strings.HasPrefix(text, "/") {
		return "has to be an absolute directory or s3://bucket/prefix"
	}
	return ""
}

func checkRecipient(text string) string {
	if !recipient.MatchString(text) {
		return "has to be an age public key: age1…"
	}
	return ""
}
