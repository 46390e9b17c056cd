package users

import (
	"fmt"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	a, b := "a:"+hashA+"\n", "b:"+hashB+"\n"
	for name, tc := range map[string]struct {
		in   string
		want []string // "LINE message", a fatal one with '!'
	}{
		"none":       {"# c\n\n" + a + "  \r\n" + b, nil},
		"empty file": {"", nil},
		"old names":  {"Zoé@example.com:" + hashA, nil},
		"no colon": {a + "s3cret\n" + b, []string{
			"2! has no colon: the registry refuses the whole file because of it"}},
		"two bad lines": {"x\n" + a + "y", []string{
			"1! has no colon: the registry refuses the whole file because of it",
			"3! has no colon: the registry refuses the whole file because of it"}},
		"nul bytes": {a + strings.Repeat("\x00", 9), []string{
			"2! has no colon but NUL bytes, as a crash of the machine leaves them: the registry refuses the whole file because of it"}},
		"long comment": {a + "#" + strings.Repeat("x", 65535) + "\n", []string{
			"2! has 65536 bytes: the registry refuses the whole file because of a line of 65536 or more"}},
		"almost too long": {a + "#" + strings.Repeat("x", 65534) + "\n", nil},
		"byte order mark": {"\ufeff" + a + b, []string{
			"1 begins with a byte order mark, which the registry takes as part of the line"}},
		"byte order mark, comment": {"\ufeff# c\n" + a, []string{
			"1! begins with a byte order mark, which the registry takes as part of the line"}},
		"no name": {":" + hashA + "\n", []string{
			"1 has no name before the colon: the registry lets in whoever gives no name and this password"}},
		"space in the name": {"a :" + hashA + "\n", []string{
			"1 has a space or control character in the name, which the registry takes as part of it"}},
		"duplicates": {a + "# c\na:$apr1$x$y\na:" + hashB, []string{
			"1 user a has another entry in line 4, which is the one that the registry uses",
			"3 user a has another entry in line 4, which is the one that the registry uses"}},
		"apr1": {"a:$apr1$x$y\n", []string{
			"1 user a has a hash of type apr1, of which the registry knows none but bcrypt, and cannot log in"}},
		"plain": {"a:plain\n", []string{
			"1 user a has no hash that the registry knows and cannot log in"}},
		"odd name and plain": {"A:plain\n", []string{
			"1 the user has no hash that the registry knows and cannot log in"}},
		"cut short": {"a:" + hashA[:59] + "\n", []string{
			"1 user a has a damaged bcrypt hash and cannot log in"}},
		"more after it": {"a:" + hashA + ":since may\n", []string{
			"1 user a has something after the hash, which the registry ignores"}},
		"slow": {"a:$2y$20$" + hashA[7:] + "\n", []string{
			"1 user a has a hash of cost 20: the registry spends about 59 seconds on each request"}},
	} {
		var got []string
		for _, f := range Parse([]byte(tc.in)).Faults() {
			mark := ""
			if f.Fatal {
				mark = "!"
			}
			got = append(got, fmt.Sprintf("%d%s %s", f.Line, mark, f.Message))
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s: got\n%q\nwant\n%q", name, got, tc.want)
		}
	}
}

func TestFaultsTellNoSecret(t *testing.T) {
	const secret = "S3cretS3cret"
	for _, in := range []string{
		secret, "a:" + secret, secret + ":" + hashA + "\n" + secret + ":" + hashA, "\ufeff" + secret, ":" + secret,
		"a:$2y$" + secret, "a:$apr1$" + secret + "$x", "a:{SHA}" + secret, "a:" + hashA + secret, secret + " x:y", "\x00" + secret,
		"a:" + hashA[:7] + secret + hashA[19:] + "\na:x",
	} {
		for _, f := range Parse([]byte(in)).Faults() {
			if strings.Contains(f.Message, secret) || strings.Contains(f.Message, "$2") {
				t.Errorf("%q: %s", in, f.Message)
			}
		}
	}
}
