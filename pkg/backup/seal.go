package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/regctl/regctl/pkg/advice"
)

// sealedSuffix ends the names of encrypted objects.
const sealedSuffix = ".age"

// Keys encrypt and decrypt a store. The zero value does neither.
type Keys struct {
	recipients []age.Recipient
	identities []age.Identity
}

// ErrKey is about keys that are missing, wrong or not wanted.
var ErrKey = errors.New("encryption")

// NewKeys reads recipients (age1…) and the text of an identity file
// (AGE-SECRET-KEY-1…, comments allowed), either of which may be empty. An error
// quotes no secret.
func NewKeys(recipients []string, identityFile []byte) (Keys, error) {
	var k Keys
	for _, text := range recipients {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(text)))
		if err != nil || len(r) != 1 {
			return Keys{}, fmt.Errorf("%w: %q is no age recipient", ErrKey, text)
		}
		k.recipients = append(k.recipients, r...)
	}
	if len(bytes.TrimSpace(identityFile)) > 0 {
		ids, err := age.ParseIdentities(bytes.NewReader(identityFile))
		if err != nil {
			return Keys{}, fmt.Errorf("%w: the identity file holds no age identity", ErrKey)
		}
		k.identities = ids
	}
	return k, nil
}

// CanSeal tells whether there is a recipient.
func (k Keys) CanSeal() bool { return len(k.recipients) > 0 }

// CanOpen tells whether there is an identity.
func (k Keys) CanOpen() bool { return len(k.identities) > 0 }

// seal encrypts what is read from r. Closing it waits until r is read no more.
func (k Keys) seal(r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w, err := age.Encrypt(in, k.recipients...)
		if err == nil {
			_, err = io.CopyBuffer(onlyWriter{w}, r, make([]byte, copyBuffer))
		}
		if err == nil {
			err = w.Close()
		}
		in.CloseWithError(err)
	}()
	return &sealing{out, done}
}

type sealing struct {
	*io.PipeReader
	done chan struct{}
}

func (s *sealing) Close() error {
	err := s.PipeReader.Close()
	<-s.done
	return err
}

// open decrypts r.
func (k Keys) open(r io.Reader) (io.Reader, error) {
	if !k.CanOpen() {
		return nil, advice.With(fmt.Errorf("%w: the backup is encrypted, and there is no identity to read it with", ErrKey),
			"--identity FILE, or backup.identity in regctl.yaml")
	}
	plain, err := age.Decrypt(r, k.identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("%w: the identity is not one that this was encrypted to", ErrKey)
	}
	return plain, err
}

// sealedLeast is the least size of an encrypted object: age's payload is cut into
// chunks of 64 KiB, each with a tag of 16 bytes, after a nonce of 16.
func sealedLeast(plain int64) int64 {
	const chunk, tag, nonce = 64 << 10, 16, 16
	chunks := max(1, (plain+chunk-1)/chunk)
	return plain + chunks*tag + nonce
}
