//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/seal"
)

// canaryStart is how each canary begins, whatever its name: what shows this shows a secret.
const canaryStart = "cnryqz7v"

// canary is a secret that is easy to find. The rest makes it as long as secrets are.
func canary(name string) string { return canaryStart + name + "7Kq2Lm9Rt4Wz8Yb3Nc6Vd" }

// canaryMarks are canaryStart, and that in base64 at each of the places where it may begin there.
var canaryMarks = sync.OnceValue(func() []string {
	marks := []string{canaryStart}
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + canaryStart))
		marks = append(marks, encoded[(8*offset+5)/6:8*(offset+len(canaryStart))/6])
	}
	return marks
})

// canaryRun is one command in one repository.
type canaryRun struct {
	args  []string
	stdin string
}

// canaryUser is who runs commands, in which repository, and where the traces of that would be.
type canaryUser struct {
	t                  *testing.T
	home, dir, scratch string
	private            []string // parts of private keys
}

// TestNoCommandShowsASecret plants secrets wherever one can be, sealed and by mistake in plain text, and runs every command
// there is on them, without --reveal. None shows any, whatever is wrong: not in its output, not in its errors, not in the files that
// it leaves, not in Git, and not in what it publishes.
func TestNoCommandShowsASecret(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a thousand commands")
	}
	base := canaryBase(t)
	t.Run("sound", func(t *testing.T) {
		t.Parallel()
		u := base.copy(t)
		u.all(slices.Concat(everyCommand(), soundRuns(u)))
		u.traces()
	})
	for name, lose := range map[string]func(u *canaryUser){
		"no identity":      func(u *canaryUser) { u.write(u.keysFile(), "") },
		"another identity": func(u *canaryUser) { identity, _ := stranger(); u.write(u.keysFile(), identity+"\n") },
		"broken identity": func(u *canaryUser) {
			u.write(u.keysFile(), "AGE-SECRET-KEY-1"+strings.ToUpper(canary("identity"))+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := base.copy(t)
			lose(u)
			u.all(slices.Concat(perAddress("acme/production/inference", "providers.openai.api_key", true), perAddress("acme/production/notes", "token", true),
				[]canaryRun{{args: []string{"validate"}}, {args: []string{"doctor"}}, {args: []string{"publish", "--to", "local"}}}))
			u.traces()
		})
	}
	for name, broken := range canaryMistakes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := base.copy(t)
			for file, content := range broken {
				u.write(filepath.Join(u.dir, file), content)
			}
			u.all(slices.Concat(perAddress("acme/production/inference", "providers.openai.api_key", false), wholeRepository()))
			u.traces()
		})
	}
}

// canaryMistakes are files with a secret in plain text, sound and broken in the ways in which parsers quote what they stumble over.
func canaryMistakes() map[string]map[string]string {
	secret := canary("plain")
	private, _ := stranger()
	in := func(value string) map[string]string {
		return map[string]string{"config/acme/production/inference.yaml": "providers:\n  openai:\n    api_key: " + value + "\n"}
	}
	cue := func(value string) map[string]string {
		return map[string]string{
			"config/acme/production/inference.yaml": "", "config/acme/production/inference.cue": "providers: openai: api_key: " + value + "\n",
		}
	}
	return map[string]map[string]string{
		"plain":                 in(secret),
		"plain and quoted":      in(`"` + secret + `"`),
		"in a list":             in("[" + secret + "]"),
		"in a map":              in("{x: " + secret + "}"),
		"many lines":            in("|\n      " + secret + "\n      " + secret),
		"not closed":            in(`"` + secret),
		"like an alias":         in("*" + secret),
		"like an anchor":        in("&" + secret),
		"like a tag":            in("!" + secret + " x"),
		"like a tag of YAML":    in("!!" + secret + " x"),
		"like a directive":      in("x\n%" + secret + "\n"),
		"like a map in a value": in(secret + ": " + secret + ": x"),
		"a reserved character":  in("@" + secret),
		"a bad escape":          in(`"\q` + secret + `"`),
		"twice":                 in(secret + "\n    api_key: " + secret),
		"no UTF-8":              in(secret + "\xff"),
		"a control character":   in(secret + "\x01"),
		"a conflict of Git":     in("x\n<<<<<<< ours\n    token: " + secret + "\n=======\n    token: x\n>>>>>>> theirs"),
		"ciphertext cut off":    in("ENC[AES256_GCM,data:" + secret),
		"a strange sops block":  in("x\nsops:\n  mac: " + secret + "\n  age:\n    - {recipient: " + secret + ", enc: " + secret + "}\n  lastmodified: " + secret),
		"CUE":                   cue(`"` + secret + `"`),
		"CUE, in conflict":      cue(`"` + secret + `" & "x` + secret + `"`),
		"CUE, of another type":  cue(`"` + secret + `" & 7`),
		"CUE, not closed":       cue(`"` + secret),
		"CUE, as a reference":   cue(secret),
		"CUE, with an error":    cue(`"\(` + secret + `)"`),
		"CUE, in a comparison":  cue(`=~"^` + secret + `("`),
		"CUE, hidden":           cue(`_x` + "\n_x: error(\"" + secret + "\")"),
		"a private key as a recipient": {
			"config/acme/tenant.yaml": "apiVersion: lcm/v1\nrecipients:\n  - {name: me, key: " + private + "}\n",
		},
		"in a template's variable": {
			"templates/keyed.yaml": "apiVersion: lcm/v1\nname: keyed\nversion: 1.0.0\nmodule: inference-engine\nvariables:\n  api_key: {type: string}\n" +
				"values:\n  providers: {openai: {kind: openai, api_key: \"{{api_key}}\"}}\n",
			"config/acme/production/inference.yaml": "extends: keyed\nvariables:\n  api_key: " + secret + "\n",
		},
		"in a target's address": {
			"lcm.yaml": "apiVersion: lcm/v1\nenvironments: [{name: staging}, {name: production}]\nnamespaces:\n  inference: {module: inference-engine}\n  notes: {}\n" +
				"targets:\n  local: {type: s3, endpoint: \"http://user:" + secret + "@127.0.0.1:1\", bucket: b}\n",
		},
		"in lcm.yaml, not closed": {"lcm.yaml": "apiVersion: lcm/v1\ntargets:\n  local: {type: s3, secret_key: \"" + secret + "\n"},
		"in lcm.yaml, misplaced":  {"lcm.yaml": "apiVersion: lcm/v1\nenvironments: [{name: production, password: " + secret + "}]\n"},
	}
}

// everyCommand runs each command of the tree, whatever it is, in each of its formats: with nothing, and with what most take.
func everyCommand() []canaryRun {
	var runs []canaryRun
	for _, c := range leaves() {
		for _, args := range [][]string{
			nil, {"acme/production/inference", "providers.openai.api_key"}, {"acme/production/notes"},
		} {
			for _, format := range formats(c) {
				runs = append(runs, canaryRun{args: slices.Concat(path(c), format, args)})
			}
		}
	}
	return runs
}

// perAddress runs what works on an address on one; sealed says that its secrets are.
func perAddress(address, key string, sealed bool) []canaryRun {
	var runs []canaryRun
	staging := strings.Replace(address, "production", "staging", 1)
	file := "config/" + address + ".yaml"
	for _, c := range leaves() {
		var sets [][]string
		switch {
		case strings.Contains(c.Use, "FROM TO"):
			sets = [][]string{{address, staging, "--yes"}, {staging, address, "--dry-run"}}
		case strings.HasPrefix(c.Use, "set "):
			sets = [][]string{{address, key + "=" + "x"}, {address, "--stdin", key}}
		case strings.HasPrefix(c.Use, "exec "):
			sets = [][]string{{address, "--", "true"}, {address, "--env", "X=" + key, "--", "sh", "-c", "exit 3"}}
		case strings.HasPrefix(c.Use, "diff "):
			sets = [][]string{{address, staging}, {address + "@HEAD~1", address}, {}}
		case strings.HasPrefix(c.Use, "textconv ") && sealed:
			sets = [][]string{{file}} // what is not sealed it shows as git diff does without it
		case strings.Contains(c.Use, "ADDR"):
			sets = [][]string{{address}, {address, key}}
		}
		for _, args := range sets {
			for _, format := range formats(c) {
				if !sealed && len(format) > 0 && format[1] != "json" {
					continue // in other formats the errors are the same
				}
				runs = append(runs, canaryRun{args: slices.Concat(path(c), format, args), stdin: canary("stdin")})
			}
		}
	}
	return runs
}

// wholeRepository is what reads all files.
func wholeRepository() []canaryRun {
	var runs []canaryRun
	for _, line := range []string{
		"validate", "validate --no-cache -o json", "keys list", "secret list", "secret scan", "secret scan -o sarif", "secret scan --write-baseline known.json",
		"template check", "template who-uses keyed", "tenant show acme", "publish --to local",
	} {
		runs = append(runs, canaryRun{args: strings.Fields(line)})
	}
	return runs
}

// soundRuns are commands that say something about secrets, where nothing is wrong, and what people get wrong in them.
func soundRuns(u *canaryUser) []canaryRun {
	secret := canary("typed")
	key := "AGE-SECRET-KEY-1" + strings.ToUpper(secret)
	const address, field = "acme/production/inference", "providers.openai.api_key"
	runs := slices.Concat(perAddress(address, field, true), perAddress("acme/production/notes", "token", true), perAddress("globex/production/notes", "token", true), wholeRepository())
	for _, r := range []struct{ line, stdin string }{
		{"set " + address + " --stdin " + field, secret},
		{"set " + address + " --stdin " + field + " --dry-run", secret},
		{"set " + address + " --stdin " + field + " -o json", secret + "2"},
		{"set " + address + " --stdin providers.openai.kind --secret providers.openai.kind", secret}, // no such kind
		{"set " + address + " --stdin parameters.temperature --secret parameters.temperature", secret},
		{"set " + address + " --stdin no.such.field --secret no.such.field", secret},
		{"set " + address + " " + field + "=" + secret, ""},
		{"set " + address + " " + field + "=[" + secret, ""},
		{"set " + address + " " + field + "=" + secret + " --dry-run -o json", ""},
		{"set " + address + " --from-file " + field + "=no-such-file", ""},
		{"set acme/production/notes token=" + secret, ""},
		{"set acme/production/notes more=" + secret + " --secret more", ""},
		{"set acme/nowhere/notes token=" + secret + " --secret token", ""},
		{"unset " + address + " " + field + " --dry-run", ""},
		{"diff HEAD~3 HEAD -o markdown", ""},
		{"diff HEAD~3 HEAD -o json", ""},
		{"diff acme/staging/notes acme/production/notes -o json", ""},
		{"promote acme/production/notes acme/staging/notes --yes", ""},
		{"tenant add other --recipient " + key, ""},
		{"keys add someone --tenant acme --recipient " + key, ""},
		{"template render llm_inference_openai --var api_key=" + secret, ""},
		{"publish --to local", ""},
		{"publish --to local -o json", ""},
		{"publish --to local --signing-key " + u.keysFile(), ""},
		{"audit access -o json", ""},
		{"secret scan --history -o json", ""},
		{"exec " + address + " -- no-such-program", ""},
	} {
		runs = append(runs, canaryRun{strings.Fields(r.line), r.stdin})
	}
	return runs
}

// leaves gives all commands that do something.
func leaves() []*cobra.Command {
	var all []*cobra.Command
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Runnable() && !c.HasSubCommands() {
			all = append(all, c)
		}
	}
	walk(command.Root(command.Process{IO: term.Buffers(strings.NewReader(""), io.Discard, io.Discard), Getenv: os.Getenv}))
	return all
}

// path gives the words that call a command.
func path(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// formats gives the arguments for each format that a command writes.
func formats(c *cobra.Command) [][]string {
	flag := c.Flags().Lookup("output")
	if flag == nil {
		return [][]string{nil}
	}
	_, list, _ := strings.Cut(flag.Usage, "write the result as ")
	var out [][]string
	for name := range strings.SplitSeq(list, ", ") {
		out = append(out, []string{"-o", name})
	}
	return out
}

// TestEveryCommandIsRunForCanaries sees to it that the list above is of all commands.
func TestEveryCommandIsRunForCanaries(t *testing.T) {
	var names []string
	for _, c := range leaves() {
		names = append(names, strings.Join(path(c), " "))
		if f := c.Flags().Lookup("output"); f != nil && len(formats(c)) < 2 {
			t.Errorf("%s: the formats of -o are not known from %q", c.CommandPath(), f.Usage)
		}
	}
	for _, want := range []string{"get", "exec", "set", "hooks pre-commit", "secret scan", "publish", "version"} {
		if !slices.Contains(names, want) {
			t.Errorf("%q is not among the %d commands found", want, len(names))
		}
	}
}

// canaryBase makes a repository with secrets that are sealed: in a field of a schema, where --secret was said, of many lines, in
// history, of a tenant whose key is not at hand.
func canaryBase(t *testing.T) *canaryUser {
	t.Helper()
	u := &canaryUser{t: t, home: filepath.Join(t.TempDir(), "home"), scratch: t.TempDir()}
	u.dir = filepath.Join(filepath.Dir(u.home), "platform")
	hostileHome(t)
	if err := os.CopyFS(u.home, os.DirFS(os.Getenv("HOME"))); err != nil {
		t.Fatal(err)
	}
	u.own()
	_, other := stranger()
	must := func(stdin string, args ...string) {
		t.Helper()
		if out, err := u.run(canaryRun{args, stdin}); err != nil {
			t.Fatalf("lcm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	must("", "init", u.dir, "--generate-keys", "--environment", "staging", "--environment", "production")
	must("", "tenant", "add", "acme", "--generate")
	must("", "tenant", "add", "globex", "--recipient", other)
	must("", "namespace", "add", "inference", "--module", "inference-engine")
	must("", "namespace", "add", "notes")
	must("", "set", "acme/base/inference", "providers={openai: {kind: openai}}", "default_model=small",
		"models={small: {provider: openai, model: gpt-4.1-mini, context_window: 128000}}")
	must(canary("older"), "set", "acme/production/inference", "--stdin", "providers.openai.api_key")
	must(canary("openai"), "set", "acme/production/inference", "--stdin", "providers.openai.api_key")
	must(canary("staging"), "set", "acme/staging/inference", "--stdin", "providers.openai.api_key")
	must(canary("token"), "set", "acme/production/notes", "--stdin", "token", "--secret", "token")
	must(canary("lines")+"\n"+canary("lines")+"\n", "set", "acme/production/notes", "--stdin", "tls.key", "--secret", "tls.key")
	must(canary("stranger"), "set", "globex/production/notes", "--stdin", "token", "--secret", "token")
	must("", "set", "acme/staging/notes", "a=1")
	identity, _ := stranger()
	u.private = append(u.privateKeys(), identity[20:32])
	return u
}

// own sets the permissions that copying lost.
func (u *canaryUser) own() {
	_ = filepath.WalkDir(u.home, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chmod(file, 0o600)
		}
		return err
	})
	config := filepath.Join(u.home, ".gitconfig")
	text, err := os.ReadFile(config)
	if err != nil {
		u.t.Fatal(err)
	}
	at := regexp.MustCompile(`signingkey = .*`)
	u.write(config, at.ReplaceAllString(string(text), "signingkey = "+filepath.Join(u.home, ".ssh", "signing.pub")))
}

func (u *canaryUser) copy(t *testing.T) *canaryUser {
	t.Helper()
	top := t.TempDir()
	v := &canaryUser{t: t, home: filepath.Join(top, "home"), dir: filepath.Join(top, "platform"), scratch: t.TempDir(), private: u.private}
	if err := errors.Join(os.CopyFS(v.home, os.DirFS(u.home)), os.CopyFS(v.dir, os.DirFS(u.dir))); err != nil {
		t.Fatal(err)
	}
	v.own()
	return v
}

func (u *canaryUser) keysFile() string {
	return filepath.Join(u.home, ".config", "sops", "age", "keys.txt")
}

func (u *canaryUser) write(file, content string) {
	u.t.Helper()
	if content == "" {
		if err := os.Remove(file); err != nil {
			u.t.Fatal(err)
		}
		return
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
		u.t.Fatal(err)
	}
}

func (u *canaryUser) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + u.home, "XDG_CONFIG_HOME=" + filepath.Join(u.home, ".config"), "XDG_CACHE_HOME=" + filepath.Join(u.home, ".cache"),
		"GIT_CONFIG_GLOBAL=" + filepath.Join(u.home, ".gitconfig"), "GIT_CONFIG_NOSYSTEM=1", "TMPDIR=" + u.scratch, "LC_ALL=C.UTF-8", "EDITOR=true", "USER=ada",
		"VAULT_TOKEN=" + canary("vault"), "AWS_SECRET_ACCESS_KEY=" + canary("aws"), "AWS_ACCESS_KEY_ID=x", "LCM_TEST_SECRET=" + canary("environment"),
	}
}

// run runs a command and gives all that it says.
func (u *canaryUser) run(r canaryRun) ([]byte, error) {
	ctx, cancel := context.WithTimeout(u.t.Context(), time.Minute)
	defer cancel()
	cmd := program(ctx, r.args...)
	if _, err := os.Stat(u.dir); err == nil {
		cmd.Dir = u.dir
	}
	cmd.Env = u.env()
	cmd.Stdin = strings.NewReader(r.stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		u.t.Errorf("lcm %s does not end", strings.Join(r.args, " "))
	}
	return out.Bytes(), err
}

// all runs commands, in this order where they may write.
func (u *canaryUser) all(runs []canaryRun) {
	for _, r := range runs {
		if slices.Contains(r.args, "--reveal") {
			u.t.Fatal("that would show it")
		}
		out, _ := u.run(r)
		u.check("lcm "+strings.Join(r.args, " "), out)
		if bytes.Contains(out, []byte("goroutine ")) {
			u.t.Errorf("lcm %s panics:\n%s", strings.Join(r.args, " "), out)
		}
	}
}

// check looks for secrets in a text.
func (u *canaryUser) check(what string, out []byte) {
	u.t.Helper()
	lower := bytes.ToLower(out)
	for _, mark := range slices.Concat(canaryMarks()[:1], u.private) {
		if i := bytes.Index(lower, []byte(strings.ToLower(mark))); i >= 0 {
			u.t.Errorf("%s shows a secret:\n%s", what, out[max(0, i-200):min(len(out), i+60)])
			return
		}
	}
	for _, mark := range canaryMarks()[1:] {
		if i := bytes.Index(out, []byte(mark)); i >= 0 {
			u.t.Errorf("%s shows a secret in base64:\n%s", what, out[max(0, i-200):min(len(out), i+60)])
		}
	}
}

// traces looks for secrets in what commands have left: temporary files, caches, Git, and what was published.
func (u *canaryUser) traces() {
	u.t.Helper()
	keys := []string{u.keysFile(), filepath.Join(u.home, ".ssh")}
	planted := u.planted()
	for _, top := range []string{u.scratch, u.home, u.dir} {
		err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(file, k) }) || slices.Contains(planted, file) {
				return nil
			}
			content, err := os.ReadFile(file)
			if err == nil {
				u.check("what was left in "+file, content)
			}
			return err
		})
		if err != nil {
			u.t.Error(err)
		}
	}
	if left, _ := os.ReadDir(u.scratch); len(left) > 0 {
		u.t.Errorf("temporary files were left: %v", left)
	}
	u.check("an object of Git", []byte(u.git("cat-file", "--batch-all-objects", "--batch")))
	u.check("a ref or its log", []byte(u.git("log", "--all", "-g", "--format=%B%gs%N")+u.git("for-each-ref")))
}

// planted are the files of the worktree in which the secrets are that this test put there.
func (u *canaryUser) planted() []string {
	var files []string
	for name := range strings.SplitSeq(u.git("ls-files", "--modified", "--others", "-z"), "\x00") {
		if content, err := os.ReadFile(filepath.Join(u.dir, name)); err == nil && slices.ContainsFunc(append(u.private, canaryStart), func(part string) bool { return bytes.Contains(bytes.ToLower(content), []byte(strings.ToLower(part))) }) {
			files = append(files, filepath.Join(u.dir, name))
		}
	}
	return files
}

func (u *canaryUser) git(args ...string) string {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = u.dir, u.env()
	out, err := cmd.Output()
	if err != nil {
		u.t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

// privateKeys gives parts of the private keys, which are secrets too.
func (u *canaryUser) privateKeys() []string {
	var parts []string
	keys, err := os.ReadFile(u.keysFile())
	if err != nil {
		u.t.Fatal(err)
	}
	for line := range strings.Lines(string(keys)) {
		if rest, ok := strings.CutPrefix(line, "AGE-SECRET-KEY-1"); ok {
			parts = append(parts, rest[:12])
		}
	}
	ssh, err := os.ReadFile(filepath.Join(u.home, ".ssh", "signing"))
	if err != nil {
		u.t.Fatal(err)
	}
	lines := strings.Split(string(ssh), "\n")
	return append(parts, lines[3][:20], lines[4][:20]) // the first lines are much the same for all keys
}

// stranger is an identity that nobody here has.
var stranger = sync.OnceValues(func() (identity, recipient string) {
	private, public, err := seal.GenerateIdentity()
	if err != nil {
		return err.Error(), err.Error()
	}
	return private.Reveal(), public
})
