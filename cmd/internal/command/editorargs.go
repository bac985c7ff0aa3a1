package command

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// shellOnly is what makes a command one for the shell, as git has it.
const shellOnly = "|&;<>()$`\\\"'*?[#~=%\n"

// vimNames are the names of vim and what is built of it. A vi, or its view, may be another one's.
var (
	vimNames = regexp.MustCompile(`^([rgmen]|rg)?(vim(diff)?|vimx|view)(\..*)?$`)
	viNames  = regexp.MustCompile(`^(vi|view|ex)$`)
)

// traceless are the arguments that keep vim from writing copies, histories and undo files of a secret text elsewhere.
var traceless = []string{"-n", "-i", "NONE", "-c", "set nobackup nowritebackup noundofile"}

// editorWords gives the program and the arguments that open an editor, where the file follows. vim is told to leave no traces,
// before what its user tells it.
func editorWords(ctx context.Context, command string) []string {
	words := strings.Fields(command)
	at := slices.IndexFunc(words, func(word string) bool { return !isPrefix(word) })
	vim := at >= 0 && isVim(ctx, words[at])
	if !strings.ContainsAny(command, shellOnly) || runtime.GOOS == "windows" {
		if vim {
			words = slices.Insert(words, at+1, traceless...)
		}
		return words
	}
	script := command + ` "$@"`
	if vim {
		script = insert(script, words, at+1, quoted(traceless))
	}
	// The shell makes room for the editor, so that a signal that ends the one ends the other.
	first := slices.IndexFunc(words, func(word string) bool { return !isAssignment(word) })
	if first >= 0 && !strings.ContainsAny(command, "|&;<>()`\n") {
		if _, err := exec.LookPath(words[first]); err == nil {
			script = insert(script, words, first, "exec")
		}
	}
	return []string{"sh", "-c", script, command}
}

// insert puts text before the word at an index of a script, or behind the last one.
func insert(script string, words []string, index int, text string) string {
	at := 0
	for _, word := range words[:index] {
		at += strings.Index(script[at:], word) + len(word)
	}
	return script[:at] + " " + text + " " + script[at:]
}

// isPrefix reports whether a word of a command may stand before its program.
func isPrefix(word string) bool {
	return word == "env" || word == "exec" || word == "command" || isAssignment(word)
}

// isAssignment reports whether a word of a command sets a variable for its program.
func isAssignment(word string) bool {
	name, _, assigns := strings.Cut(word, "=")
	return assigns && name != "" && !strings.ContainsAny(word, "\"'`$\\(")
}

func quoted(args []string) string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = "'" + arg + "'"
	}
	return strings.Join(out, " ")
}

// isVim reports whether a program is vim, whatever it is called: Debian calls it vi by a link.
func isVim(ctx context.Context, program string) bool {
	resolved := program
	if path, err := exec.LookPath(program); err == nil {
		resolved = path
		if real, err := filepath.EvalSymlinks(path); err == nil {
			resolved = real
		}
	}
	name := strings.TrimSuffix(filepath.Base(resolved), ".exe")
	if !viNames.MatchString(name) {
		return vimNames.MatchString(name)
	}
	// Some systems have vim under this name, others the vi of BSD or their own, which do not know its arguments.
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	version, _ := exec.CommandContext(ctx, resolved, "--version").Output() // another one may not know that either
	return bytes.Contains(version, []byte("Vi IMproved"))
}
