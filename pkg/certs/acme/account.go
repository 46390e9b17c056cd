package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// Accounts is the directory of account keys, one account for each directory URL.
// Callers hold the deployment's lock.
type Accounts struct{ Dir string }

// AccountInfo is an account at a CA.
type AccountInfo struct {
	Directory string    `json:"directory"`        // URL
	URI       string    `json:"uri"`              // the CA's name for it
	Email     string    `json:"email,omitempty"`  // that the CA was told
	Terms     string    `json:"terms,omitempty"`  // URL of the terms that were agreed to
	KeyID     string    `json:"key_id,omitempty"` // of the external account it was bound to
	Created   time.Time `json:"created"`
}

// account is one as it lies on disk. One whose URI is empty has a key and is not
// known to be registered: a run was killed between the two.
type account struct {
	AccountInfo
	key   crypto.Signer
	path  string // of its directory
	fresh bool   // nothing of it is on disk yet
}

// Path is the directory of the account at a directory URL.
func (a Accounts) Path(directory string) string {
	host := "ca"
	if u, err := url.Parse(directory); err == nil && u.Hostname() != "" {
		host = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
				return r
			}
			return '_'
		}, strings.ToLower(u.Hostname()))
	}
	sum := sha256.Sum256([]byte(directory))
	return filepath.Join(a.Dir, host+"-"+hex.EncodeToString(sum[:6]))
}

// Info reads the account at a directory URL. Its error wraps fs.ErrNotExist when
// there is none.
func (a Accounts) Info(directory string) (AccountInfo, error) {
	return readInfo(filepath.Join(a.Path(directory), "account.json"))
}

func readInfo(path string) (info AccountInfo, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return AccountInfo{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return info, nil
}

// load reads an account, or makes the key of a new one where nothing was before.
// A key that is lost is an error and not a reason for another: certificates could
// no longer be revoked with it, rate limits and bindings go by the account, and
// whoever has the old key still speaks for the names.
func (a Accounts) load(directory string) (*account, error) {
	acc := &account{path: a.Path(directory)}
	infoPath, keyPath := filepath.Join(acc.path, "account.json"), filepath.Join(acc.path, "key.pem")
	info, infoErr := readInfo(infoPath)
	key, keyErr := readAccountKey(keyPath)
	switch {
	case errors.Is(keyErr, fs.ErrNotExist) && errors.Is(infoErr, fs.ErrNotExist):
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		acc.Directory, acc.key, acc.fresh = directory, k, true
		return acc, nil
	case errors.Is(keyErr, fs.ErrNotExist):
		return nil, advice.With(&Error{Kind: Account, err: keyErr, text: fmt.Sprintf("the key of the ACME account is lost: there is no %s", keyPath)},
			"restore it from a backup; or move %s away, then regctl cert issue registers a new account", acc.path)
	case keyErr != nil:
		return nil, advice.With(&Error{Kind: Account, err: keyErr, text: fmt.Sprintf("the key of the ACME account cannot be used: %v", keyErr)},
			"mend or restore it; or move %s away, then regctl cert issue registers a new account", acc.path)
	case infoErr != nil && errors.Is(infoErr, fs.ErrPermission):
		return nil, infoErr
	}
	// Without account.json, or with one that is damaged, the CA tells which account
	// the key has.
	acc.AccountInfo, acc.key = info, key
	acc.Directory = directory
	return acc, nil
}

func readAccountKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s cannot sign", path)
	}
	return signer, nil
}

// saveKey comes before the registration: an account whose key is lost is of no
// use to anybody, a key without an account is simply registered.
func (acc *account) saveKey() error {
	der, err := x509.MarshalPKCS8PrivateKey(acc.key)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(acc.path, 0o700); err != nil {
		return err
	}
	err = durable.CreateFile(filepath.Join(acc.path, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	acc.fresh = acc.fresh && err != nil
	return err
}

func (acc *account) saveInfo() error {
	data, err := json.MarshalIndent(acc.AccountInfo, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(acc.path, "account.json"), append(data, '\n'), 0o600)
}
