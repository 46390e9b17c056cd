package users

import "crypto/rand"

// alphabet has no letter or digit that reads as another (0 o, 1 i l), and one
// case, so that a password can be read out. Nothing in it needs quoting in a
// shell, a URL or an Authorization header.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// generatedLength makes 128 random bits: 26 times log2(31) is 128.8.
const generatedLength = 26

// Generate returns a new password of 128 random bits, in letters and digits
// without a separator: a double click selects all of it.
func Generate() string {
	password := make([]byte, 0, generatedLength)
	// The largest multiple of the alphabet's length: bytes from there on are
	// drawn again, or the first letters would come up more often.
	const limit = 256 - 256%len(alphabet)
	var b [1]byte
	for len(password) < generatedLength {
		rand.Read(b[:]) // never fails: it ends the program instead
		if int(b[0]) < limit {
			password = append(password, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(password)
}
