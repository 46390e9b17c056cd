package users

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// bcrypt costs: each step doubles the time of one check. The registry checks on
// every request and remembers nothing; measured there: cost 5 1.8 ms, cost 10
// 58 ms, cost 12 233 ms.
const (
	// GeneratedCost is for passwords from [Generate]. Nobody guesses 128 random
	// bits, however fast the hash, so a slow one would only slow the registry.
	GeneratedCost = 5
	// MinHumanCost is the least for a password that a person chose.
	MinHumanCost = 10
	// MaxCost is the most that [Hash] takes: about two seconds a request.
	MaxCost = 15
	// slowestCost is the most that Verify works through (7 s) and the most
	// that Apache's htpasswd makes. bcrypt goes on to 31: a day and a half.
	slowestCost = 17
)

// What [User.Scheme] can be. The registry uses Bcrypt only.
const (
	Bcrypt  = "bcrypt"
	APR1    = "apr1"    // MD5, what htpasswd makes when asked for nothing else
	SHA1    = "sha1"    // {SHA}, without salt
	Crypt   = "crypt"   // one of crypt(3): DES, $1$, $5$, $6$, $y$ and others
	Unknown = "unknown" // a damaged hash, or a password in the clear
)

// Hash returns the bcrypt hash of a password as `htpasswd -B` writes it ($2y$).
// cost is 4 to [MaxCost]; see [GeneratedCost] and [MinHumanCost]. It returns an
// *InputError for another cost and for what [CheckPassword] refuses. It takes as
// long as a check of the hash does: call it before taking a lock.
func Hash(password []byte, cost int) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	if cost < bcrypt.MinCost || cost > MaxCost {
		return "", &InputError{"cost", fmt.Sprintf("is %d, only %d to %d are possible", cost, bcrypt.MinCost, MaxCost)}
	}
	hash, err := bcrypt.GenerateFromPassword(password, cost)
	if err != nil {
		return "", err
	}
	// Go writes $2a$, htpasswd $2y$. They differ in name only, each meaning
	// the algorithm without the old sign-extension bug.
	return "$2y$" + strings.TrimPrefix(string(hash), "$2a$"), nil
}

// scheme tells what kind of hash this is, its cost (bcrypt only), and what
// follows it (bcrypt only), which the registry ignores.
func scheme(hash string) (name string, cost int, junk string) {
	const bcryptLen = 60
	switch {
	case strings.HasPrefix(hash, "$2"):
		if len(hash) < bcryptLen || !strings.Contains("aby", hash[2:3]) || hash[3] != '$' || hash[6] != '$' ||
			!isDigits(hash[4:6]) || !isBase64(hash[7:bcryptLen]) {
			return Unknown, 0, ""
		}
		cost, err := strconv.Atoi(hash[4:6])
		if err != nil || cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
			return Unknown, 0, ""
		}
		return Bcrypt, cost, hash[bcryptLen:]
	case strings.HasPrefix(hash, "$apr1$"):
		return APR1, 0, ""
	case strings.HasPrefix(hash, "{SHA}"):
		return SHA1, 0, ""
	case strings.HasPrefix(hash, "$") && strings.Count(hash, "$") > 2, len(hash) == 13 && isBase64(hash):
		return Crypt, 0, ""
	}
	return Unknown, 0, ""
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// isBase64 tells whether s is in the alphabet that crypt(3) and bcrypt share.
func isBase64(s string) bool {
	return strings.Trim(s, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// checkHash returns an *InputError unless the registry can use hash.
func checkHash(hash string) error {
	if name, _, junk := scheme(hash); name != Bcrypt || junk != "" {
		return &InputError{"hash", "is not a bcrypt hash"}
	}
	return nil
}

// compare tells whether hash, which scheme found to be bcrypt, is the
// password's.
func compare(hash string, password []byte) (bool, error) {
	err := bcrypt.CompareHashAndPassword([]byte(hash), password)
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return err == nil, err
}

// dummy returns a hash of that cost that no known password has. Its check takes
// as long as that of a real one.
func dummy(cost int) string {
	return fmt.Sprintf("$2y$%02d$%s", cost, strings.Repeat("A", 53))
}
