package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scratch"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type editOptions struct {
	option.Write
	format   option.Format
	address  string
	secrets  []string
	sealed   bool
	goOn     bool
	discard  bool
	editor   string
	secretAt []tree.Path
}

func newEdit(e *env) *cobra.Command {
	o := &editOptions{}
	cmd := &cobra.Command{
		Use:   "edit ADDR",
		Short: "Edit a layer file in your editor, secrets opened, in one signed commit",
		Long: `Edit the layer file of an address in $VISUAL, $EDITOR or Git's core.editor, with its comments, tags and secrets as they are meant
to be read. When the editor ends, the file is checked with everything it reaches and becomes one signed commit, as with lcm set.

Secrets are encrypted again: those that the schema or the file calls secret, those at --secret KEY, and those on a line that ends in
#!secret. What did not change keeps its bytes, ciphertext included. Remarks of lcm (### lcm: …) are taken out again. If nothing was
changed, nothing is committed.

If something is wrong, you are asked whether the editor is to open again, with the findings as remarks at their places. An edit that
could not be made is kept, encrypted as the secrets in it are, in the Git directory: go on with --continue. If the branch moved while
the editor was open, what others changed in the file is merged in, and if that conflicts, you are asked.

The text is in a folder that only you can read, in memory where the system has a place for that (Linux), and is overwritten and removed
afterwards, also after Ctrl-C. That it was opened is recorded (lcm audit access). --sealed leaves the secrets encrypted: it needs no
key, and they cannot be changed then.`,
		Example: `  lcm edit acme/production/inference -m "raise the limits for the launch"
  lcm edit acme/base/prompts --dry-run
  lcm edit acme/production/inference --sealed            without the tenant's key
  lcm edit acme/production/inference --continue          after an edit that could not be made`,
		Args: args(1, 1, "an address"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completeAddress(cmd.Context(), toComplete)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.address = a[0]
			e.output(&o.format)
			return runEdit(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringArrayVar(&o.secrets, "secret", nil, "encrypt what is at `KEY` and below from now on (repeatable)")
	f.BoolVar(&o.sealed, "sealed", false, "leave the secrets encrypted")
	f.BoolVar(&o.goOn, "continue", false, "go on with an edit that could not be made")
	f.BoolVar(&o.discard, "discard", false, "forget an edit that could not be made")
	cmd.MarkFlagsMutuallyExclusive("continue", "discard")
	_ = cmd.RegisterFlagCompletionFunc("secret", func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(a) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return e.completeAddressThenKeys(cmd.Context(), a, toComplete, "")
	})
	return cmd
}

func runEdit(ctx context.Context, e *env, o *editOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	for _, text := range o.secrets {
		key, err := parseKey(text)
		if err != nil {
			return err
		}
		o.secretAt = append(o.secretAt, key)
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	if o.discard {
		if err := dropDraft(w, a); err != nil {
			return err
		}
		e.IO.Note("there is no unfinished edit of %s now", a)
		return nil
	}
	if o.editor, err = e.editor(ctx, w); err != nil {
		return err
	}
	s, err := beginEdit(ctx, e, o, w, a)
	if err != nil {
		return err
	}
	sink := make(chan os.Signal, 1) // what would end this process at once must not, as there is something to clear up
	signal.Notify(sink, endings...)
	defer signal.Stop(sink)
	if s.dir, err = scratch.New(e.Getenv); err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	defer func() {
		if err := s.dir.Remove(); err != nil {
			e.IO.Warn("secrets may be left behind: %s", err)
		}
	}()
	if !s.dir.InMemory() && len(s.keys) > 0 {
		e.IO.Warn("this system has no place for files in memory: what you edit is in %s until you are done", s.dir.Path())
	}
	return s.run(ctx)
}

// beginEdit reads what is to be edited, and says who may not.
func beginEdit(ctx context.Context, e *env, o *editOptions, w *workspace.Workspace, a address.Address) (*editSession, error) {
	s := &editSession{e: e, o: o, w: w, a: a}
	if _, err := os.Stat(draftFile(w, a)); err == nil && !o.goOn {
		return nil, usage(fmt.Errorf("there is an unfinished edit of %s", a), "go on with it: lcm edit %s --continue; or forget it: lcm edit %s --discard", a, a)
	}
	var d draft
	var err error
	if o.goOn {
		if d, err = e.loadDraft(ctx, w, a); err != nil {
			return nil, err
		}
		o.sealed = d.Sealed
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return nil, err
	}
	e.release() // nobody waits for an editor
	if err := s.read(ctx, base); err != nil {
		return nil, err
	}
	s.text = s.from
	if o.goOn {
		s.keys = onlyOnce(append(s.keys, d.Keys...))
		s.text, s.before, s.resumed = []byte(d.Text), []byte(d.From), true
		s.opened = s.opened || d.Opened
	}
	if !o.NoCommit {
		if err := s.clean(ctx, base); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// clean refuses an edit that could not be committed, before it is made.
func (s *editSession) clean(ctx context.Context, base *workspace.Snapshot) error {
	committed, err := layerText(ctx, base, s.a)
	if err != nil {
		return err
	}
	here, err := layerText(ctx, s.w.Worktree(), s.a)
	if err != nil || string(here) == string(committed) {
		return err
	}
	return diag.WithHint(fmt.Errorf("%s has changes that are not committed", s.file), "commit them or put them back first (git restore %s); or edit what lies there: --no-commit", s.file)
}

// layerText gives the bytes of a layer file, nil if there is none.
func layerText(ctx context.Context, s *workspace.Snapshot, a address.Address) ([]byte, error) {
	f, err := s.LayerOf(ctx, a)
	if _, broken := errors.AsType[diag.List](err); broken {
		return s.ReadFile(ctx, a.File())
	}
	if err != nil || f == nil {
		return nil, err
	}
	return f.Source(), nil
}

// unchanged reports an edit that changes nothing.
func (s *editSession) unchanged() error {
	if err := dropDraft(s.w, s.a); err != nil {
		return err
	}
	report := &display.Change{Kind: "edit", Outcome: display.Unchanged, Values: []display.ChangedValue{}, Files: []string{}, Reach: []address.Address{}}
	if s.o.format.JSON() {
		return display.JSON(s.e.IO.Out, "Change", report)
	}
	return display.ChangeText(s.e.IO, report)
}

// head is what stands above the text in the editor.
func (s *editSession) head() []string {
	lines := []string{fmt.Sprintf("%s, which is %s. Lines that begin like this one are taken out again.", s.a, s.file)}
	switch {
	case s.inCUE:
	case s.o.sealed:
		lines = append(lines, "The secrets are encrypted and stay as they are.")
	default:
		if len(s.keys) > 0 {
			lines = append(lines, "Secret, and encrypted again: "+firstRunes(strings.Join(s.keys, ", "), 300))
		}
		lines = append(lines, "A new value that the schema does not call secret becomes so with #!secret at the end of its line.")
	}
	return append(lines, "To change nothing, leave it as it is, or empty it.")
}
