package certs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// openssl runs the program. Its absence is a failure: it is the one judge here
// that is not Go's own library.
func openssl(t testing.TB, in string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(in)), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func mustOpenSSL(t testing.TB, in string, args ...string) string {
	t.Helper()
	out, errs, err := openssl(t, in, args...)
	if err != nil {
		t.Fatalf("openssl %q: %v\n%s", args, err, errs)
	}
	return out
}

func tempFile(t testing.TB, name, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypted is a key's PEM text under a passphrase.
func encrypted(t testing.TB, key string) string {
	t.Helper()
	return mustOpenSSL(t, key, "pkcs8", "-topk8", "-passout", "pass:test")
}

// pkcs12 is what Windows and Java export.
func pkcs12(t testing.TB, m minted) string {
	t.Helper()
	both := tempFile(t, "both.pem", m.pem()+m.keyPEM(t))
	return mustOpenSSL(t, "", "pkcs12", "-export", "-in", both, "-passout", "pass:test")
}

// sha1Pair is a self-signed certificate as old recipes make it; Go's library
// does not sign with SHA-1 any more. It has an issuer of another name, since
// the signature of what signs itself is not looked at.
func sha1Pair(t testing.TB) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mustOpenSSL(t, "", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-subj", "/CN=Old CA", "-keyout", at("ca.key"), "-out", at("ca.pem"))
	mustOpenSSL(t, "", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha1", "-subj", "/CN=reg.example.com",
		"-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "3000", "-addext", "subjectAltName=DNS:reg.example.com", "-addext", "basicConstraints=critical,CA:FALSE",
		"-keyout", at("key.pem"), "-out", at("cert.pem"))
	read := func(name string) string {
		data, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return read("cert.pem"), read("key.pem")
}
