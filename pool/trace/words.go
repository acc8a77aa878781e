package trace

import (
	"errors"
	"strconv"
	"strings"
)

// Word is one word of a line. A quoted one may hold anything.
type Word struct {
	Text   string
	Quoted bool
}

// short quotes a word for an error, and cuts a long one.
func (w Word) short() string {
	const most = 60
	if len(w.Text) <= most {
		return strconv.Quote(w.Text)
	}
	return strconv.Quote(w.Text[:most]) + "... of " + strconv.Itoa(len(w.Text)) + " bytes"
}

// Words splits a line at white space. Double quotes keep a word together, with the escapes of Go; a
// quoted string may also follow "name=". A # that begins a word begins a comment.
func Words(line string) ([]Word, error) {
	var words []Word
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		n := strings.IndexAny(line, " \t\"")
		if n < 0 {
			return append(words, Word{Text: line}), nil
		}
		if line[n] != '"' {
			words = append(words, Word{Text: line[:n]})
			line = line[n:]
			continue
		}
		if n > 0 && line[n-1] != '=' {
			return nil, errors.New("a quote in the middle of a word")
		}
		quoted, err := strconv.QuotedPrefix(line[n:])
		if err != nil {
			return nil, errors.New("a quote that does not end, or an escape that is none")
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, errors.New("an escape that is none")
		}
		words = append(words, Word{Text: line[:n] + text, Quoted: n == 0})
		line = line[n+len(quoted):]
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			return nil, errors.New("no space after a quoted word")
		}
	}
}

// QuoteKey writes a key as a bare word where it can be one, and quoted otherwise.
func QuoteKey(key string) string {
	for i := range len(key) {
		c := key[i]
		bare := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("/-_.:@+", c) >= 0
		if !bare {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

// JoinWords writes words as the line that they were read from.
func JoinWords(words []Word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if name, value, ok := strings.Cut(w.Text, "="); ok && !w.Quoted && QuoteKey(value) != value {
			b.WriteString(name + "=" + QuoteKey(value))
		} else if w.Quoted {
			b.WriteString(strconv.Quote(w.Text))
		} else {
			b.WriteString(w.Text)
		}
	}
	return b.String()
}

// ParseID reads an id: a prefix and a number from 1, without leading zeros.
func ParseID(w Word, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(w.Text, prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || w.Quoted || err != nil || n == 0 || digits[0] == '0' || digits[0] == '+' {
		return 0, false
	}
	return n, true
}
