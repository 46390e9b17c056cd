package compose

import (
	"fmt"
	"strings"
	"testing"
)

// directive is one directive of an Nginx configuration: its words and, for a
// block, what is in it.
type directive struct {
	words []string
	block []directive
}

// parseNginx reads an Nginx configuration by Nginx's own rules for words,
// quotes and comments. It is what tells whether a value stayed one word.
func parseNginx(t *testing.T, data []byte) []directive {
	t.Helper()
	p := nginxParser{text: string(data)}
	out, err := p.block(false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type nginxParser struct{ text string }

func (p *nginxParser) block(inner bool) ([]directive, error) {
	var out []directive
	var words []string
	for {
		word, end, err := p.next()
		if err != nil {
			return nil, err
		}
		if word != nil {
			words = append(words, *word)
		}
		switch end {
		case ';':
			if len(words) == 0 {
				return nil, fmt.Errorf("an empty directive before %.20q", p.text)
			}
			out, words = append(out, directive{words: words}), nil
		case '{':
			b, err := p.block(true)
			if err != nil {
				return nil, err
			}
			out, words = append(out, directive{words: words, block: b}), nil
		case '}', 0:
			if len(words) > 0 || inner != (end == '}') {
				return nil, fmt.Errorf("unexpected end after %q before %.20q", words, p.text)
			}
			return out, nil
		}
	}
}

// next returns the next word, if one comes first, and the ; { or } after it, if
// one follows; end 0 without a word is the end of the file.
func (p *nginxParser) next() (word *string, end byte, err error) {
	for p.text != "" {
		c := p.text[0]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			p.text = p.text[1:]
		case c == '#':
			_, p.text, _ = strings.Cut(p.text, "\n")
		case c == ';' || c == '{' || c == '}':
			p.text = p.text[1:]
			return nil, c, nil
		case c == '\'' || c == '"':
			w, err := p.quoted(c)
			return &w, ' ', err
		default:
			n := strings.IndexAny(p.text, " \t\r\n;{}")
			if n < 0 {
				return nil, 0, fmt.Errorf("the file ends in the word %q", p.text)
			}
			w := p.text[:n]
			p.text = p.text[n:]
			return &w, ' ', nil
		}
	}
	return nil, 0, nil
}

func (p *nginxParser) quoted(quote byte) (string, error) {
	var w strings.Builder
	for i := 1; i < len(p.text); i++ {
		switch c := p.text[i]; c {
		case '\\':
			i++
			w.WriteString(p.text[i-1 : i+1])
		case quote:
			p.text = p.text[i+1:]
			return w.String(), nil
		default:
			w.WriteByte(c)
		}
	}
	return "", fmt.Errorf("no closing %c in %.40q", quote, p.text)
}

// in returns the blocks that these words open, anywhere below.
func in(ds []directive, words ...string) []directive {
	var out []directive
	for _, d := range ds {
		if d.block == nil {
			continue
		}
		if strings.Join(d.words, " ") == strings.Join(words, " ") {
			out = append(out, d)
		}
		out = append(out, in(d.block, words...)...)
	}
	return out
}

// values lists the arguments of each directive of that name directly in ds.
func values(ds []directive, name string) []string {
	var out []string
	for _, d := range ds {
		if d.words[0] == name {
			out = append(out, strings.Join(d.words[1:], " "))
		}
	}
	return out
}

// everywhere lists the arguments of each directive of that name at any depth.
func everywhere(ds []directive, name string) []string {
	out := values(ds, name)
	for _, d := range ds {
		out = append(out, everywhere(d.block, name)...)
	}
	return out
}

func TestParseNginx(t *testing.T) {
	ds := parseNginx(t, []byte("a b 'c; d' ;# e;\nf g { h; i { j 'k\\'l' \"\"; } }\n"))
	equal(t, "directives", fmt.Sprint(ds), `[{[a b c; d] []} {[f g] [{[h] []} {[i] [{[j k\'l ] []}]}]}]`)
	for _, bad := range []string{"a", "a;}", "a { b;", "a 'b;", "a }", ";"} {
		p := nginxParser{text: bad}
		if ds, err := p.block(false); err == nil {
			t.Errorf("%q was read as %v", bad, ds)
		}
	}
}
