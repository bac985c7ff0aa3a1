package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/importer"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type secretImportOptions struct {
	option.Write
	format  option.Format
	source  string
	to      string
	match   string
	input   string
	under   string
	renames []string
	secrets []string
	plain   []string
}

func newSecretImport(e *env) *cobra.Command {
	o := &secretImportOptions{}
	cmd := &cobra.Command{
		Use:   "import FILE|DIR --to ADDR",
		Short: "Bring SOPS files, .env files, YAML and JSON in, in one signed commit",
		Long: `Bring values that other tools keep into layers, in one signed commit. The files themselves stay as they are.

What is encrypted in a SOPS file is encrypted here, to the tenant's recipients. Files that only SOPS can open (cloud keys,
encrypted comments in lists, dotenv and INI) are decrypted by the sops program, if it is on PATH, in memory. Of a plain .env file
every value is secret but those named by --plain; of plain YAML and JSON those that the schema says are, and those named by --secret.

A whole folder comes in with --match: the names in braces stand for parts of a path, and are used in --to. Values
keep their types, and those of .env and INI files, which have none, get those of the schema; comments do not come along.`,
		Example: `  lcm secret import .env --to acme/production/inference --map OPENAI_API_KEY=providers.openai.api_key
  lcm secret import inference.enc.yaml --to acme/production/inference --dry-run
  lcm secret import ../ops --match 'envs/{environment}/{namespace}.enc.yaml' --to 'acme/{environment}/{namespace}'`,
		Args: args(1, 1, "a file or a folder"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.source = a[0]
			e.output(&o.format)
			return runSecretImport(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "the `ADDRESS` of the layer; with --match it may hold names in braces")
	f.StringVar(&o.match, "match", "", "take the files of a folder whose paths are like `PATTERN`: envs/{environment}/{namespace}.yaml")
	f.StringVar(&o.input, "input-type", "", "read the file as yaml, json, dotenv or ini, whatever its name")
	f.StringVar(&o.under, "under", "", "put everything below `KEY`")
	f.StringArrayVar(&o.renames, "map", nil, "put the value NAME at KEY, as `NAME=KEY` (repeatable)")
	f.StringArrayVar(&o.secrets, "secret", nil, "treat `KEY` as secret, and everything below it (repeatable)")
	f.StringArrayVar(&o.plain, "plain", nil, "leave `KEY` in plain text, of a plain .env file (repeatable)")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.RegisterFlagCompletionFunc("input-type", cobra.FixedCompletions([]string{"yaml", "json", "dotenv", "ini"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("to", e.addresses)
	return cmd
}

// importFile is a file and where it goes.
type importFile struct {
	name string // for messages
	path string
	to   address.Address
}

func runSecretImport(ctx context.Context, e *env, o *secretImportOptions) error {
	files, err := o.files(e)
	if err != nil {
		return err
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	var edits []change.Edit
	var failed []error
	tool := 0
	progress := e.IO.Progress("reading", len(files))
	for _, f := range files {
		progress.Step()
		if err := base.Check(ctx, f.to); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
			continue
		}
		values, err := o.read(ctx, e, f)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if values.ByTool {
			tool++
		}
		more, err := o.edits(f, values)
		if err != nil {
			return err
		}
		if o.isText(f) {
			if err := typed(ctx, base, f.to, more); err != nil {
				return err
			}
		}
		edits = append(edits, more...)
	}
	progress.Done()
	if len(failed) > 0 {
		return importErrors(failed)
	}
	if len(edits) == 0 {
		return diag.WithHint(errors.New("there is nothing in it to import"), "look at %s", o.source)
	}
	if tool > 0 {
		e.IO.Note("%d of %d files were decrypted by the sops program", tool, len(files))
	}
	return e.change(ctx, w, base, change.Request{Kind: "import", Edits: edits, Reason: o.Reason, Now: e.now()}, o.Write, o.format)
}

// importErrors gives one error for all that is wrong: one file's own, so that its hint is shown, or a list.
func importErrors(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	return diag.WithHint(errors.Join(failed...), "nothing was imported: %s", diag.HintOf(failed[0]))
}

// files gives the files to import.
func (o *secretImportOptions) files(e *env) ([]importFile, error) {
	root := e.path(o.source)
	info, err := os.Stat(root)
	if err != nil {
		return nil, e.unread("import", o.source, err)
	}
	if !info.IsDir() {
		if o.match != "" {
			return nil, usage(errors.New("--match is for a folder"), "leave it out for a single file")
		}
		a, err := parseAddress(o.to)
		if err != nil {
			return nil, err
		}
		return []importFile{{o.source, root, a}}, nil
	}
	if o.match == "" {
		return nil, usage(fmt.Errorf("%s is a folder", o.source), "say which files are meant: --match 'envs/{environment}/{namespace}.enc.yaml'")
	}
	pattern, err := matchPattern(o.match)
	if err != nil {
		return nil, err
	}
	return o.walk(root, pattern)
}

func (o *secretImportOptions) walk(root string, pattern *regexp.Regexp) ([]importFile, error) {
	var files []importFile
	from := map[address.Address]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		found := pattern.FindStringSubmatch(filepath.ToSlash(rel))
		if found == nil {
			return nil
		}
		to := o.to
		for i, name := range pattern.SubexpNames() {
			if name != "" {
				to = strings.ReplaceAll(to, "{"+name+"}", found[i])
			}
		}
		a, err := parseAddress(to)
		if err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		if other, twice := from[a]; twice {
			return usage(fmt.Errorf("%s and %s both go to %s", other, rel, a), "use the names of --match in --to, so that each file has a layer of its own")
		}
		from[a] = rel
		files = append(files, importFile{rel, path, a})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, diag.WithHint(fmt.Errorf("no file in %s is like %s", o.source, o.match), "the pattern is matched against paths seen from that folder")
	}
	return files, nil
}

// matchPattern makes an expression of a path with names in braces.
func matchPattern(match string) (*regexp.Regexp, error) {
	name := regexp.MustCompile(`\\\{([a-z_]+)\\\}`)
	quoted := regexp.QuoteMeta(strings.TrimPrefix(match, "./"))
	r, err := regexp.Compile("^" + strings.ReplaceAll(name.ReplaceAllString(quoted, `(?P<$1>[^/]+?)`), `\*`, `[^/]*`) + "$")
	if err != nil {
		return nil, usage(fmt.Errorf("--match %s is no pattern of a path", match), "for example envs/{environment}/{namespace}.enc.yaml")
	}
	return r, nil
}

// read reads one file.
func (o *secretImportOptions) read(ctx context.Context, e *env, f importFile) (*importer.Values, error) {
	format, ok := importer.FormatOf(f.path)
	if format == "" && ok {
		format = importer.Dotenv
	}
	if o.input != "" {
		format, ok = importer.Format(o.input), true
	}
	if !ok || !slices.Contains([]importer.Format{importer.YAML, importer.JSON, importer.Dotenv, importer.INI}, format) {
		return nil, usage(fmt.Errorf("%s: its name does not say what it is written in", f.name), "say so with --input-type yaml, json or dotenv")
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	source := importer.Source{Name: f.name, Path: f.path, Text: text, Format: format, Keyring: e.keyring()}
	if program, err := exec.LookPath("sops"); err == nil {
		source.Sops = func(ctx context.Context, path string, format importer.Format) ([]byte, error) {
			return runSops(ctx, program, path, format)
		}
	}
	return importer.Read(ctx, source)
}

// runSops has the sops program decrypt a file to its standard output, so that nothing of it is ever on disk.
func runSops(ctx context.Context, program, path string, format importer.Format) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, "decrypt", "--input-type", string(format), "--output-type", "json", path)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return nil, fmt.Errorf("sops decrypt: %s", firstRunes(lines[0], 200))
	}
	return out.Bytes(), nil
}

// edits gives what a file's values are as changes of its layer.
func (o *secretImportOptions) edits(f importFile, v *importer.Values) ([]change.Edit, error) {
	im := &importEdits{to: f.to, allSecret: !v.Sealed && o.isDotenv(f)}
	var err error
	if im.secrets, err = parseKeys(o.secrets); err != nil {
		return nil, err
	}
	if im.plain, err = parseKeys(o.plain); err != nil {
		return nil, err
	}
	if o.under != "" {
		if im.under, err = parseKey(o.under); err != nil {
			return nil, err
		}
	}
	if im.renames, err = parseRenames(o.renames); err != nil {
		return nil, err
	}
	im.add(nil, v.Root)
	return im.edits, nil
}

// isText reports whether a file's format knows no types.
func (o *secretImportOptions) isText(f importFile) bool {
	format, _ := importer.FormatOf(f.path)
	return o.isDotenv(f) || o.input == string(importer.INI) || o.input == "" && format == importer.INI
}

// typed gives texts the types that the schema has for their keys, as lcm set does. What is no value of its type stays a text,
// which is found out as any other wrong value is.
func typed(ctx context.Context, base *workspace.Snapshot, a address.Address, edits []change.Edit) error {
	module, err := base.ModuleOf(ctx, a.Namespace)
	if err != nil || module == nil {
		return err
	}
	for i, edit := range edits {
		field, ok := module.Field(edit.Path)
		if !ok || edit.Value.Kind != tree.String || slices.Contains(field.Kinds, tree.String) {
			continue
		}
		if value, err := change.ParseValue(edit.Path, edit.Value.Reveal(), &field); err == nil {
			value.Pos, value.Secret = edit.Value.Pos, edit.Value.Secret
			edits[i].Value = value
		}
	}
	return nil
}

func (o *secretImportOptions) isDotenv(f importFile) bool {
	format, ok := importer.FormatOf(f.path)
	return o.input == string(importer.Dotenv) || o.input == "" && ok && (format == importer.Dotenv || format == "")
}

func parseKeys(texts []string) ([]tree.Path, error) {
	keys := make([]tree.Path, 0, len(texts))
	for _, text := range texts {
		key, err := parseKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseRenames reads NAME=KEY; the name is a key of the file.
func parseRenames(texts []string) (map[string]tree.Path, error) {
	out := map[string]tree.Path{}
	for _, text := range texts {
		name, to, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usage(fmt.Errorf("--map %s has no key", text), "write --map NAME=KEY")
		}
		from, err := parseKey(name)
		if err != nil {
			return nil, err
		}
		if out[from.String()], err = parseKey(to); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// importEdits collects the changes of one layer.
type importEdits struct {
	to        address.Address
	under     tree.Path
	renames   map[string]tree.Path
	secrets   []tree.Path
	plain     []tree.Path
	allSecret bool
	edits     []change.Edit
}

// add adds a value that the file has at a key.
func (im *importEdits) add(p tree.Path, n *tree.Node) {
	if to, ok := im.renames[p.String()]; ok && len(p) > 0 {
		im.set(to, n, im.isSecret(p))
		return
	}
	if n.Kind == tree.Map && (n.Len() > 0 || len(p) == 0) {
		for _, f := range n.Fields() {
			im.add(append(p.Clone(), tree.Key(f.Key)), f.Value)
		}
		return
	}
	im.set(append(im.under.Clone(), p...), n, im.isSecret(p))
}

func (im *importEdits) isSecret(p tree.Path) bool {
	below := func(keys []tree.Path) bool { return slices.ContainsFunc(keys, p.HasPrefix) }
	return below(im.secrets) || im.allSecret && !below(im.plain)
}

// set adds the change of one key. Of a list in which some keys are secret, the list comes first, and they after it.
func (im *importEdits) set(key tree.Path, n *tree.Node, secret bool) {
	all, some := true, false
	for _, leaf := range n.Leaves() {
		all, some = all && leaf.Secret, some || leaf.Secret
	}
	if secret || all && some || !some {
		im.edits = append(im.edits, change.Edit{Address: im.to, Path: key, Value: n, Secret: secret || some})
		return
	}
	im.edits = append(im.edits, change.Edit{Address: im.to, Path: key, Value: withoutSecrets(n)})
	for p, leaf := range n.Leaves() {
		if leaf.Secret {
			im.edits = append(im.edits, change.Edit{Address: im.to, Path: append(key.Clone(), p...), Value: leaf, Secret: true})
		}
	}
}

// withoutSecrets gives a tree without the fields that are secret.
func withoutSecrets(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			if !f.Value.Secret {
				fields = append(fields, tree.Field{Key: f.Key, Value: withoutSecrets(f.Value)})
			}
		}
		return n.WithFields(fields)
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			items[i] = withoutSecrets(item)
		}
		return n.WithItems(items)
	}
	return n
}
