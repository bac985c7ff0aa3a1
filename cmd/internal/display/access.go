package display

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/diag"
)

// AccessLog is what an access log holds, as far as it was asked for.
type AccessLog struct {
	File      string            `json:"file"`
	Intact    bool              `json:"intact"`
	Total     int               `json:"total"` // entries in the log, shown or not
	Head      accesslog.Anchor  `json:"head"`  // to be noted elsewhere
	Uncounted int64             `json:"uncounted,omitempty"`
	Entries   []accesslog.Entry `json:"entries"`
	Findings  diag.List         `json:"findings,omitempty"`
}

// AccessLogText writes an access log for people.
func AccessLogText(t *term.IO, l AccessLog) error {
	s := t.Style()
	var rows [][]string
	for _, e := range l.Entries {
		outcome := string(e.Outcome)
		if e.Outcome != accesslog.Opened {
			outcome = s.Red(outcome)
		}
		what := e.Action
		if e.Program != "" {
			what += " " + e.Program
		}
		detail := s.Cyan(showText(shortList(e.Keys)))
		if len(e.Keys) == 0 {
			detail = showText(e.Reason)
		}
		rows = append(rows, []string{
			e.Time.Local().Format(time.DateTime), reader(e.Who), showText(what), outcome, s.Blue(showText(e.Address)), detail,
		})
	}
	if len(rows) > 0 {
		head := []string{"TIME", "WHO", "ACTION", "OUTCOME", "ADDRESS", "KEYS"}
		for i := range head {
			head[i] = s.Dim(head[i])
		}
		if err := columns(t.Out, append([][]string{head}, rows...)); err != nil {
			return err
		}
	}
	if err := FindingsText(t.Out, l.Findings, s); err != nil {
		return err
	}
	shown := ""
	if len(l.Entries) < l.Total {
		shown = fmt.Sprintf(", %d of them shown", len(l.Entries))
	}
	switch {
	case !l.Intact:
		_, err := fmt.Fprintf(t.Out, "%s: %s%s\n", s.Red("not as it was left"), plural(l.Total, "entry"), shown)
		return err
	case l.Total == 0:
		_, err := fmt.Fprintln(t.Out, "no secret was shown in this clone since its access log began")
		return err
	}
	_, err := fmt.Fprintf(t.Out, "%s: %s%s; head %s\n", s.Green("intact"), plural(l.Total, "entry"), shown, s.Dim(l.Head.String()))
	return err
}

// reader gives who an entry names in a few words: the user of the operating system, on which host, and from where.
func reader(w accesslog.Who) string {
	name := w.Email
	if name == "" {
		name = w.Name
	}
	at := w.User
	if w.Host != "" {
		at += "@" + w.Host
	}
	if w.SSH != "" {
		at += " from " + w.SSH
	}
	switch {
	case name == "":
		return showText(at)
	case at == "":
		return showText(name)
	}
	return showText(name + " (" + at + ")")
}

// shortList gives the first of many words.
func shortList(words []string) string {
	const most = 3
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s … %d more", strings.Join(words[:most], ", "), len(words)-most)
}

// AccessLogSetAside says that a new access log was begun.
type AccessLogSetAside struct {
	File string `json:"file"`
	Old  string `json:"old,omitempty"` // where the log before is now, if there was one
}

// AccessLogSetAsideText says it to people.
func AccessLogSetAsideText(t *term.IO, r AccessLogSetAside) error {
	if r.Old == "" {
		_, err := fmt.Fprintf(t.Out, "began an access log; there was none before\nsee it with: lcm audit access\n")
		return err
	}
	_, err := fmt.Fprintf(t.Out, "put the access log aside as %s, and began a new one\nsee it with: lcm audit access\n", filepath.Base(r.Old))
	return err
}
