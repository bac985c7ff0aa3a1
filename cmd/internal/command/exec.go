package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/handoff"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

const (
	filesVariable = "LCM_FILES" // tells the program where its files are

	// The exit codes by which shells and env(1) say that a program cannot be run.
	exitNotExecutable = 126
	exitNotFound      = 127
)

// identityVariables are by which lcm and sops find private keys: the program is given values, not the keys to all others.
var identityVariables = [...]string{
	"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
}

type execOptions struct {
	address  string
	argv     []string
	at       string
	env      []string
	files    []string
	prefix   string
	keepKeys bool
}

func newExec(e *env) *cobra.Command {
	o := &execOptions{}
	cmd := &cobra.Command{
		Use:   "exec ADDR [--env …] [--file …] -- PROGRAM [ARG…]",
		Short: "Run a program with the configuration of an address, secrets opened",
		Long: `Run a program with what an address resolves to, secrets included: as environment variables or as files, never as arguments.

Without --env and --file every scalar becomes a variable, named after its key: providers.openai.api_key is
PROVIDERS_OPENAI_API_KEY. --env KEY does so for a key and what is below it, --env NAME=KEY gives one variable that name; a map or
a list is then JSON. --file NAME=KEY writes a file, JSON or YAML by the ending of its name, else the bare value; the key . is
everything. The files are in a folder named by $LCM_FILES that only you can read, in memory where the system has a place for that
(Linux), and are overwritten and removed when the program ends.

A variable that is set already, and one that steers any program (PATH, LD_PRELOAD, …), is set only by --env NAME=KEY. The variables
by which lcm finds private keys are not handed on, unless --keep-identities.

The program has this terminal, its signals, and its exit code is that of lcm exec; 127 and 126 say that it was not found or cannot be
run. Which secrets it was given is recorded before it starts (lcm audit access). The environment of a process can be read by its own
user, and by what it starts: prefer --file where the program can read files.`,
		Example: `  lcm exec acme/production/inference -- ./serve
  lcm exec acme/production/inference --env providers.openai --env TOKEN=custom.token -- env
  lcm exec acme/production/inference --file config.yaml=. -- sh -c './serve --config "$LCM_FILES/config.yaml"'
  lcm exec acme/production/notes --file key.pem=tls.key -- sh -c 'openssl rsa -check -noout -in "$LCM_FILES/key.pem"'`,
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return e.completeAddress(cmd.Context(), toComplete)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			dash := cmd.ArgsLenAtDash()
			switch {
			case len(a) == 0 || dash == 0:
				return usage(errors.New("lcm exec needs an address and a program"), "lcm exec acme/production/inference -- ./serve")
			case dash < 0 && len(a) == 1 || dash == len(a):
				return usage(errors.New("lcm exec needs a program after the address"), "lcm exec %s -- ./serve", a[0])
			case dash != 1:
				return usage(errors.New("what is run stands after --"), "lcm exec %s -- %s", a[0], strings.Join(a[1:], " "))
			}
			o.address, o.argv = a[0], a[1:]
			return runExec(cmd.Context(), e, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.at, "at", "", "read at `REV`, a commit, tag or branch, in place of the worktree")
	f.StringArrayVar(&o.env, "env", nil, "hand over `[NAME=]KEY` as variables (repeatable)")
	f.StringArrayVar(&o.files, "file", nil, "hand over a file, as `NAME=KEY`; . is everything (repeatable)")
	f.StringVar(&o.prefix, "prefix", "", "start the names that are made of keys with `TEXT`")
	f.BoolVar(&o.keepKeys, "keep-identities", false, "hand on the variables by which private keys are found too")
	_ = cmd.RegisterFlagCompletionFunc("env", func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(a) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return e.completeAddressThenKeys(cmd.Context(), a[:1], toComplete, "")
	})
	_ = cmd.RegisterFlagCompletionFunc("file", cobra.NoFileCompletions)
	return cmd
}

// handed is one thing that the program is to have.
type handed struct {
	name  string // "" makes names of the keys
	key   tree.Path
	value *tree.Node // once it was opened
}

func runExec(ctx context.Context, e *env, o *execOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	variables, files, err := o.parse()
	if err != nil {
		return err
	}
	program, err := findProgram(o.argv[0])
	if err != nil {
		return err
	}
	w, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	if err := openHanded(ctx, e, w, s, a, program, variables, files); err != nil {
		return err
	}
	environ, err := o.environ(e, variables)
	if err != nil {
		return err
	}
	e.release()
	if len(files) == 0 {
		return e.Shield.Without(func() error { return replaceProcess(ctx, e.IO, program, o.argv[1:], environ) })
	}
	return runWithFiles(ctx, e, program, o.argv[1:], environ, files)
}

// parse reads --env and --file.
func (o *execOptions) parse() (variables, files []handed, err error) {
	if o.prefix != "" {
		if err := handoff.CheckName(o.prefix); err != nil {
			return nil, nil, usage(err, "for example --prefix APP_")
		}
	}
	for _, arg := range o.env {
		name, key, named := strings.Cut(arg, "=")
		if !named {
			name, key = "", arg
		} else if err := handoff.CheckName(name); err != nil {
			return nil, nil, usage(err, "--env NAME=KEY, or --env KEY")
		}
		h := handed{name: name}
		if h.key, err = parseKey(key); err != nil {
			return nil, nil, err
		}
		variables = append(variables, h)
	}
	for _, arg := range o.files {
		name, key, named := strings.Cut(arg, "=")
		if !named || name != filepath.Base(name) || name == "." || strings.HasPrefix(name, "-") || !filepath.IsLocal(name) {
			return nil, nil, usage(fmt.Errorf("--file %s is not NAME=KEY with a name of one word", arg), "for example --file config.yaml=. or --file key.pem=tls.key")
		}
		if slices.ContainsFunc(files, func(h handed) bool { return h.name == name }) {
			return nil, nil, usage(fmt.Errorf("the file %s is given twice", name), "give each file a name of its own")
		}
		h := handed{name: name}
		if key != "." {
			if h.key, err = parseKey(key); err != nil {
				return nil, nil, err
			}
		}
		files = append(files, h)
	}
	if len(variables) == 0 && len(files) == 0 {
		variables = []handed{{}}
	}
	return variables, files, nil
}

func findProgram(name string) (string, error) {
	program, err := exec.LookPath(name)
	switch {
	case err == nil:
		return program, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &silentError{exitNotExecutable, fmt.Errorf("%s cannot be run: %w", name, fs.ErrPermission)}
	}
	return "", &silentError{exitNotFound, diag.WithHint(fmt.Errorf("there is no program %s", name), "name it with its path, or put it on PATH; arguments stand behind it, each a word")}
}

// openHanded resolves the address, opens the secrets among what is handed over, all or none, and records that.
func openHanded(
	ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, a address.Address, program string, groups ...[]handed,
) error {
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return err
	}
	if err := r.Findings.Err(); err != nil {
		return err
	}
	var keys []string
	for _, group := range groups {
		for i := range group {
			h := &group[i]
			if h.value = r.Root.Get(h.key); h.value == nil {
				return noSuchKey(ctx, s, a, h.key, r.Root, false)
			}
			if located, ok := r.Root.Locate(h.key); ok {
				h.key = located
			}
			keys = append(keys, secretKeys(h.key, h.value)...)
		}
	}
	_, err = revealed(ctx, e, w, s, access{action: "exec", address: a, keys: keys, program: program}, func() (bool, error) {
		for _, group := range groups {
			for i := range group {
				h := &group[i]
				if h.value, err = s.Reveal(ctx, h.value); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
	return err
}

// environ gives the program's environment: this process's, without what finds private keys, and the variables.
func (o *execOptions) environ(e *env, variables []handed) ([]string, error) {
	var named, made []handoff.Variable
	for _, h := range variables {
		if h.name != "" {
			v, ok, err := handoff.Named(h.name, h.key, h.value)
			if err != nil {
				return nil, diag.WithHint(err, "hand it over in a file: --file NAME='%s'", h.key)
			}
			if ok {
				named = append(named, v)
			}
			continue
		}
		more, err := handoff.Variables(o.prefix, h.key, h.value)
		if err != nil {
			return nil, diag.WithHint(err, "choose what is handed over, and under which name: --env NAME=KEY, or in a file: --file NAME=KEY")
		}
		made = append(made, more...)
	}
	for _, v := range made {
		set := e.Getenv(v.Name) != ""
		if chosen := slices.ContainsFunc(named, func(n handoff.Variable) bool { return n.Name == v.Name }); chosen || !set && !handoff.Steers(v.Name) {
			continue
		}
		why := "is set already"
		if !set {
			why = "would change how programs run"
		}
		return nil, diag.WithHint(fmt.Errorf("%s gives the variable %s, which %s", v.Key, v.Name, why),
			"to set it all the same: --env %s='%s'; or give all names a prefix: --prefix APP_", v.Name, v.Key)
	}
	drop := map[string]bool{filesVariable: true}
	if !o.keepKeys {
		for _, name := range identityVariables {
			drop[name] = true
		}
	}
	all := append(made, named...)
	for _, v := range all {
		drop[v.Name] = true
	}
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return drop[name]
	})
	at := map[string]int{}
	for _, v := range all { // what is named stands last, and wins
		if i, ok := at[v.Name]; ok {
			environ[i] = v.Name + "=" + v.Text
			continue
		}
		at[v.Name] = len(environ)
		environ = append(environ, v.Name+"="+v.Text)
	}
	return environ, nil
}
