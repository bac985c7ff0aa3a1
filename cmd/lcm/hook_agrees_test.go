package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

// TestHookFindsWhatValidateFinds stages random edits of the examples' files, of one tenant's and of those that lie under all,
// one edit after another, and compares what the hook finds with what is found when everything is checked anew.
func TestHookFindsWhatValidateFinds(t *testing.T) {
	edits := 30
	if testing.Short() {
		edits = 12
	}
	for _, example := range []string{"platform", "features"} {
		t.Run(example, func(t *testing.T) {
			x := newStaging(t, example)
			before := x.lcm("validate", "--no-cache")
			found, quiet := 0, 0
			for i := range edits {
				x.edit()
				want := slices.DeleteFunc(x.lcm("validate", "--no-cache"), func(s string) bool { return slices.Contains(before, s) })
				got := x.lcm("hooks", "pre-commit")
				for _, s := range want {
					if !slices.Contains(got, s) {
						t.Fatalf("edit %d: validate finds what the hook does not:\n%s\nin\n%s", i, s, x.git("diff", "--cached"))
					}
				}
				if len(want) > 0 {
					found++
				} else {
					quiet++
				}
				if x.r.IntN(3) > 0 { // else the next edit comes on top of this one
					x.git("reset", "--quiet", "--hard")
				}
			}
			if found < edits/5 || quiet < edits/5 {
				t.Errorf("%d edits came to findings, %d did not", found, quiet)
			}
		})
	}
}

// staging is an example's repository in which something is staged.
type staging struct {
	t     *testing.T
	r     *rand.Rand
	dir   string
	files []string
}

func newStaging(t *testing.T, example string) *staging {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "XDG_CACHE_HOME": filepath.Join(home, ".cache"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", "SOPS_AGE_KEY_FILE": filepath.Join("demo-keys", "global.txt"),
	} {
		t.Setenv(k, v)
	}
	x := &staging{t: t, r: rand.New(rand.NewPCG(5, 11)), dir: filepath.Join(home, "repo")}
	if err := os.CopyFS(x.dir, os.DirFS(filepath.Join("..", "..", "examples", example))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(x.dir, func(file string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(x.dir, file)
		if err == nil && !d.IsDir() && (strings.HasPrefix(rel, "config") || rel == "lcm.yaml" || strings.HasPrefix(rel, "templates") || strings.HasPrefix(rel, "shared")) {
			x.files = append(x.files, rel)
			if strings.Contains(rel, "global") { // what this is about
				x.files = append(x.files, rel, rel)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	x.git("init", "--quiet")
	x.git("add", "--all")
	x.git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "-m", "The example")
	return x
}

func (x *staging) git(args ...string) string {
	x.t.Helper()
	out, err := exec.CommandContext(x.t.Context(), "git", append([]string{"-C", x.dir}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// lcm gives what a command finds.
func (x *staging) lcm(args ...string) []string {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), "lcm", append(args, "-o", "json")...)
	cmd.Dir = x.dir
	out, err := cmd.Output()
	var report struct{ Findings diag.List }
	if bad := json.Unmarshal(out, &report); bad != nil {
		x.t.Fatalf("lcm %v: %v, %v\n%s", args, err, bad, out)
	}
	found := make([]string, 0, len(report.Findings))
	for _, f := range report.Findings {
		found = append(found, fmt.Sprintf("%s %s %s %s: %s", f.Severity, f.Code, f.Position, f.Key, f.Message))
	}
	return found
}

var (
	valueAt = regexp.MustCompile(`(?m)^( *(?:- )?[\w-]+: )([^\s{\[|>&*!].*)$`)
	values  = []string{"1", "0.5", "30s", "true", "-7", "none", "openai", "a-name", "2048", "{}", "[]", "!override 3", "https://example.com"}
)

// edit changes one place of a file, and stages it.
func (x *staging) edit() {
	x.t.Helper()
	file := filepath.Join(x.dir, x.files[x.r.IntN(len(x.files))])
	src, err := os.ReadFile(file)
	if err != nil {
		x.t.Fatal(err)
	}
	text := string(src)
	places := valueAt.FindAllStringSubmatchIndex(text, -1)
	switch what := x.r.IntN(8); {
	case what == 0 || len(places) == 0:
		text = "# A comment.\n\n" + text
		if filepath.Ext(file) == ".cue" {
			text += "\nunknown_here: 1\n"
		}
	case what == 1:
		text += "unknown_here: 1\n"
	case what == 2: // without a line
		lines := strings.SplitAfter(text, "\n")
		i := x.r.IntN(len(lines))
		text = strings.Join(slices.Delete(lines, i, i+1), "")
	default:
		at := places[x.r.IntN(len(places))]
		text = text[:at[4]] + x.another(text[at[4]:at[5]]) + text[at[5]:]
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.git("add", "--all")
}

// another gives a value in another's place, often one of its kind.
func (x *staging) another(value string) string {
	if x.r.IntN(2) == 0 {
		for i, c := range value {
			if c >= '1' && c <= '8' {
				return value[:i] + string(c+1) + value[i+1:]
			}
		}
	}
	return values[x.r.IntN(len(values))]
}
