package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// page runs the examples of a page of the documentation, in its order: a block of cue followed by a path is written to that
// file, and the commands of a console block come out as the page says, which UPDATE=1 writes anew.
func page(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: page FILE")
	}
	src, err := os.ReadFile(args[0])
	ts.Check(err)
	lines := strings.Split(string(src), "\n")
	var out []string
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		language, file, _ := strings.Cut(strings.TrimPrefix(lines[i], "```"), " ")
		if !strings.HasPrefix(lines[i], "```") || language == "" {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		block := lines[i+1 : end]
		switch {
		case language == "console":
			block = session(ts, block)
		case file != "":
			ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(file)), 0o755))
			ts.Check(os.WriteFile(ts.MkAbs(file), []byte(strings.Join(block, "\n")+"\n"), 0o600))
		}
		out = append(append(out, block...), "```")
		i = end
	}
	if want, got := string(src), strings.Join(out, "\n"); anonymous(want) != anonymous(got) {
		if os.Getenv("UPDATE") == "" {
			ts.Fatalf("%s says something else than what comes out; write it anew with UPDATE=1 (-page +output):\n%s", args[0], cmp.Diff(want, got))
		}
		ts.Check(os.WriteFile(args[0], []byte(got), 0o600))
	}
}

// session gives a console block with what its commands say.
func session(ts *testscript.TestScript, block []string) (out []string) {
	for _, line := range block {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		ts.Check(ts.Exec("sh", "-c", "{ "+command+"\n} 2>&1 || echo \"exit code $?\""))
		out = append(out, line)
		if text := strings.TrimRight(ts.ReadFile("stdout"), "\n"); text != "" {
			out = append(out, strings.Split(text, "\n")...)
		}
	}
	return out
}

// anonymous takes out of a page what is another at every run: the names of commits.
func anonymous(text string) string {
	return regexp.MustCompile(`\b([0-9a-f]{10}|[0-9]{4}-[0-9]{2}-[0-9]{2})\b`).ReplaceAllString(text, "…")
}

func TestPageTellsDifferences(t *testing.T) {
	for text, same := range map[string]bool{"committed 0123456789 x": true, "committed 0123456789 y": false, "committed x": false} {
		if got := anonymous(text) == anonymous("committed abcdef0123 x"); got != same {
			t.Errorf("%q: %t", text, got)
		}
	}
}
