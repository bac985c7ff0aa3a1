//go:build integration

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// history is a repository of two tenants whose branches are changed at random by lcm, and brought together by Git.
type history struct {
	t    *testing.T
	r    *rand.Rand
	dir  string
	sops string
	next int
}

const notesFile = "config/acme/production/notes.yaml"

func (h *history) try(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(h.t.Context(), name, args...)
	cmd.Dir = h.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *history) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.try(name, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

var historyKeys = func() (keys []string) {
	for _, group := range []string{"one", "two"} {
		for i := range 3 {
			keys = append(keys, fmt.Sprintf("%s.plain%d", group, i), fmt.Sprintf("%s.secret%d", group, i))
		}
	}
	return keys
}()

// change makes some commits on the branch, each key touched once at most, and gives the values then. With keep, the last
// change stays in the worktree.
func (h *history) change(values map[string]string, commits int, keep bool) map[string]string {
	h.t.Helper()
	values = maps.Clone(values)
	keys := slices.Clone(historyKeys)
	h.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for i := range commits {
		key := keys[i]
		args := []string{"acme/production/notes"}
		if keep && i == commits-1 {
			args = append(args, "--no-commit")
		}
		if _, has := values[key]; has && h.r.IntN(4) == 0 {
			delete(values, key)
			h.run("lcm", slices.Concat([]string{"unset"}, args, []string{key})...)
			continue
		}
		h.next++
		values[key] = fmt.Sprintf("v%d", h.next)
		if h.r.IntN(5) == 0 {
			values[key] = "same"
		}
		if strings.Contains(key, "secret") {
			args = append(args, "--secret", key)
		}
		h.run("lcm", slices.Concat([]string{"set"}, args, []string{key + "=" + values[key]})...)
	}
	return values
}

// check reads the file with the sops CLI alone.
func (h *history) check(seed int, how string, want map[string]string) {
	h.t.Helper()
	out, err := h.try(h.sops, "decrypt", "--output-type", "json", notesFile)
	if !strings.Contains(strings.Join(slices.Collect(maps.Keys(want)), " "), "secret") {
		// Without a secret there is nothing for sops to open.
		if err == nil || !strings.Contains(out, "metadata not found") {
			h.t.Fatalf("seed %d, %s: a file without secrets has a sops block: %v", seed, how, err)
		}
		if got := h.valuesAt(""); !maps.Equal(got, want) {
			h.t.Fatalf("seed %d, %s:\n got %v\nwant %v", seed, how, got, want)
		}
		return
	}
	if err != nil {
		h.t.Fatalf("seed %d, %s: sops decrypt: %v\n%s\n%s", seed, how, err, out, h.run("cat", notesFile))
	}
	var groups map[string]map[string]any
	if err := json.Unmarshal([]byte(out), &groups); err != nil {
		h.t.Fatalf("seed %d: %v\n%s", seed, err, out)
	}
	got := map[string]string{}
	for _, group := range []string{"one", "two"} {
		for k, v := range groups[group] {
			if k != "stays" {
				got[group+"."+k] = fmt.Sprint(v)
			}
		}
	}
	if !maps.Equal(got, want) {
		h.t.Fatalf("seed %d, %s:\n got %v\nwant %v", seed, how, got, want)
	}
	if out, err := h.try("lcm", "validate"); err != nil {
		h.t.Fatalf("seed %d, %s: %v\n%s", seed, how, err, out)
	}
}

// together gives the values after a merge in which theirs wins conflicts, and whether there are any.
func together(base, ours, theirs map[string]string) (map[string]string, bool) {
	out := map[string]string{}
	conflicts := false
	for _, k := range historyKeys {
		b, o, t := base[k], ours[k], theirs[k]
		v := o
		switch {
		case o == b:
			v = t
		case t != b && t != o:
			conflicts, v = true, t
		}
		if v != "" {
			out[k] = v
		}
	}
	return out, conflicts
}

// bring has Git bring a branch to the one that is checked out.
func (h *history) bring(how string) {
	args := map[string][]string{
		"merge":       {"merge", "-q", "-m", "both", "theirs"},
		"rebase":      {"rebase", "-q", "ours", "theirs"},
		"cherry-pick": {"cherry-pick", "start..theirs"},
		"stash":       {"stash", "pop", "-q"},
	}[how]
	out, err := h.try("git", args...)
	for n := 0; err != nil; n++ {
		if n > 8 {
			h.t.Fatalf("git %s does not come to an end\n%s", how, out)
		}
		if out, err = h.try("lcm", "resolve", "--theirs"); err != nil {
			h.t.Fatalf("lcm resolve: %v\n%s\n%s", err, out, h.run("git", "status"))
		}
		out, err = h.try("lcm", "merge", "--continue")
	}
}

// TestHistories brings branches together that were changed at random, in each way that Git has. What comes out opens with the sops
// CLI, holds what each side changed, and another tenant's files are what they were.
func TestHistories(t *testing.T) {
	sops := build(t, "sops") // before the home changes, with the cache of tools in it
	hostileHome(t)
	h := &history{t: t, dir: filepath.Join(t.TempDir(), "platform"), sops: sops}
	if out, err := program(context.Background(), "init", h.dir, "--generate-keys").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.run("lcm", "tenant", "add", "acme", "--generate")
	h.run("lcm", "tenant", "add", "globex", "--generate")
	h.run("lcm", "namespace", "add", "notes")
	h.run("lcm", "set", "globex/production/notes", "token=other", "--secret", "token")
	h.run("lcm", "set", "acme/production/notes", "one.stays=1", "two.stays=2")
	h.run("git", "tag", "empty")
	others := h.run("git", "rev-parse", "HEAD:config/globex")
	ways := []string{"merge", "rebase", "cherry-pick", "stash"}
	seen := map[string]int{}
	for seed := range 24 {
		h.r = rand.New(rand.NewPCG(uint64(seed), 7))
		how := ways[seed%len(ways)]
		h.run("git", "switch", "-q", "-C", "base", "empty")
		base := h.change(map[string]string{}, h.r.IntN(6), false)
		h.run("git", "tag", "-f", "start")
		h.run("git", "switch", "-q", "-C", "theirs")
		theirs := h.change(base, 2+h.r.IntN(3), how == "stash")
		if how == "stash" {
			// The commits before it come along; the stash has the last change.
			h.run("git", "stash", "-q")
		}
		h.run("git", "switch", "-q", "-C", "ours", "start")
		if how == "stash" {
			h.run("git", "merge", "-q", "--ff-only", "theirs")
			before := h.valuesAt("HEAD")
			ours := h.change(before, 1+h.r.IntN(3), false)
			want, conflicts := together(before, ours, theirs)
			h.bring(how)
			h.check(seed, how, want)
			if conflicts {
				seen["stash conflicts"]++
			}
			h.run("git", "reset", "-q", "--hard")
			_, _ = h.try("git", "stash", "drop", "-q")
			continue
		}
		ours := h.change(base, 2+h.r.IntN(3), false)
		want, conflicts := together(base, ours, theirs)
		h.bring(how)
		h.check(seed, how, want)
		if conflicts {
			seen[how+" conflicts"]++
		}
		if now := h.run("git", "rev-parse", "HEAD:config/globex"); now != others {
			t.Fatalf("seed %d: another tenant's files changed", seed)
		}
		if out := h.run("git", "status", "--porcelain"); out != "" {
			t.Fatalf("seed %d: %s leaves something behind\n%s", seed, how, out)
		}
	}
	t.Logf("conflicts met: %v", seen)
	if len(seen) < 3 {
		t.Errorf("too few conflicts to say anything: %v", seen)
	}
}

// valuesAt reads the values of a revision, of the worktree for "".
func (h *history) valuesAt(rev string) map[string]string {
	h.t.Helper()
	var doc struct {
		Value map[string]map[string]any `json:"value"`
	}
	args := []string{"get", "acme/production/notes", "--reveal", "-o", "json"}
	if rev != "" {
		args = append(args, "--at", rev)
	}
	out := h.run("lcm", args...)
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	values := map[string]string{}
	for group, fields := range doc.Value {
		for k, v := range fields {
			if k != "stays" {
				values[group+"."+k] = fmt.Sprint(v)
			}
		}
	}
	return values
}
