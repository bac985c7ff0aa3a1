package gitrepo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Trailer is one "Key: value" line at the end of a commit message.
type Trailer struct{ Key, Value string }

var (
	trailerLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)$`) })
	trailerKey  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`) })
)

// message puts a commit message together: subject, body and trailers, a blank line between them.
func (q CommitRequest) message() (string, error) {
	subject := strings.TrimSpace(q.Subject)
	if subject == "" || strings.ContainsAny(subject, "\n\r\x00") {
		return "", errors.New("the subject of a commit must be one line of text")
	}
	if strings.Contains(q.Body, "\x00") {
		return "", errors.New("the body of a commit message must be text")
	}
	var b strings.Builder
	b.WriteString(subject)
	if body := strings.TrimSpace(q.Body); body != "" {
		b.WriteString("\n\n" + body)
	}
	for i, t := range q.Trailers {
		if !trailerKey().MatchString(t.Key) || strings.ContainsAny(t.Value, "\n\r\x00") || strings.TrimSpace(t.Value) == "" {
			return "", fmt.Errorf("trailer %q must be a word and one line of text", t.Key)
		}
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString("\n" + t.Key + ": " + strings.TrimSpace(t.Value))
	}
	return tidyMessage(b.String()), nil
}

// tidyMessage does what "git stripspace" does: no trailing blanks, no runs of empty lines, one newline at the end.
func tidyMessage(s string) string {
	var b strings.Builder
	blank := false
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\r\n\v\f")
		if line == "" {
			blank = b.Len() > 0
			continue
		}
		if blank {
			b.WriteByte('\n')
			blank = false
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// splitMessage is what git makes of a message: the subject is the first paragraph in one line, the trailers are the last
// one if it is made of them, the body is what is between.
func splitMessage(s string) (subject, body string, trailers []Trailer) {
	paragraphs := strings.Split(strings.TrimRight(tidyMessage(s), "\n"), "\n\n")
	subject = strings.Join(strings.Split(paragraphs[0], "\n"), " ")
	rest := paragraphs[1:]
	if len(rest) > 0 {
		if trailers = parseTrailers(rest[len(rest)-1]); trailers != nil {
			rest = rest[:len(rest)-1]
		}
	}
	return subject, strings.Join(rest, "\n\n"), trailers
}

// parseTrailers reads a paragraph of trailers. As in git, every line must be one (or the continuation of one), unless a
// line that only git writes is among them: then a quarter of the lines is enough.
func parseTrailers(paragraph string) []Trailer {
	var trailers []Trailer
	others, generated := 0, false
	continues := false
	for line := range strings.SplitSeq(paragraph, "\n") {
		switch m := trailerLine().FindStringSubmatch(line); {
		case strings.HasPrefix(line, "(cherry picked from commit "):
			generated, continues = true, false
		case m != nil:
			generated = generated || m[1] == "Signed-off-by"
			trailers = append(trailers, Trailer{Key: m[1], Value: strings.TrimSpace(m[2])})
			continues = true
		case continues && strings.TrimLeft(line, " \t") != line:
			t := &trailers[len(trailers)-1]
			t.Value += " " + strings.TrimSpace(line)
		default:
			others++
			continues = false
		}
	}
	if others == 0 || (generated && len(trailers)*3 >= others) {
		return trailers
	}
	return nil
}
