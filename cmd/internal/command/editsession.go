package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/annotate"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/scratch"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// editSession is one run of lcm edit.
type editSession struct {
	e    *env
	o    *editOptions
	w    *workspace.Workspace
	a    address.Address
	dir  *scratch.Dir
	file string // the layer file's path in the repository

	inCUE   bool
	base    string      // the revision that from is of
	source  []byte      // the layer file as it was when from was read
	access  seal.Access // who opens the tenant's secrets
	opened  bool        // secrets of the tenant were opened for the text
	keys    []string    // of the secrets in the text
	from    []byte      // the text as it was offered first, as the layer file has it
	text    []byte      // as it was edited last
	marked  []tree.Path
	resumed bool   // the text is that of an earlier run
	before  []byte // what the text of an earlier run was made from
}

// read gives the text of the layer file at a snapshot, with its secrets opened, and records that.
func (s *editSession) read(ctx context.Context, base *workspace.Snapshot) error {
	if err := base.Check(ctx, s.a); err != nil {
		return err
	}
	tenant, err := base.Tenant(ctx, s.a.Tenant)
	if err != nil {
		return err
	}
	s.file, s.base, s.access, s.from, s.source, s.keys = s.a.File(), base.Revision().String(), tenant.Access(), nil, nil, nil
	layer, err := base.LayerOf(ctx, s.a)
	if err != nil || layer == nil {
		return err
	}
	s.source, s.file, s.inCUE = layer.Source(), layer.Path, layer.IsCUE()
	if s.inCUE {
		s.from = layer.Source()
		return nil
	}
	var text *yamldoc.Doc
	if s.o.sealed {
		text, err = seal.WithoutBlock(layer.Doc)
	} else {
		s.keys = sealedKeys(layer.Sealed)
		text, err = revealed(ctx, s.e, s.w, base, access{action: "edit", address: s.a, keys: s.keys}, func() (*yamldoc.Doc, error) {
			return seal.Unsealed(ctx, layer.Doc, s.w.Keyring())
		})
		if isA[*seal.NoIdentityError](err) {
			return diag.WithHint(err, "edit what is not secret, without the key: lcm edit %s --sealed", s.a)
		}
	}
	if err != nil {
		return err
	}
	s.opened = s.opened || len(s.keys) > 0
	s.from = text.Source()
	return nil
}

func sealedKeys(root *tree.Node) []string {
	var keys []string
	for p, n := range root.Leaves() {
		if n.Sealed {
			keys = append(keys, p.String())
		}
	}
	return keys
}

// run edits until the change is made, or there is none, or the user gives up. What was edited and not made is kept.
func (s *editSession) run(ctx context.Context) error {
	above, at := s.head(), map[int][]string(nil)
	if s.resumed {
		if err := s.recordDraft(ctx); err != nil {
			return err
		}
		conflicts, err := s.merge(ctx, s.before)
		if err != nil {
			return err
		}
		if conflicts {
			above = append([]string{conflictRemark}, above...)
		}
	}
	remarks := annotate.For(s.text, map[bool]string{true: "//", false: "#"}[s.inCUE])
	var wrong error
	for round := 1; ; round++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		offered, before := s.text, len(s.marked)
		err := s.edit(ctx, remarks, above, at, round)
		// Ctrl-C in the editor was the editor's.
		ctx = context.WithoutCancel(ctx)
		switch {
		case err != nil:
			return s.keep(ctx, err)
		case len(s.text) == 0 || bytes.Equal(s.text, s.from) && !s.marks():
			return s.unchanged()
		case wrong != nil && bytes.Equal(s.text, offered) && len(s.marked) == before:
			return s.keep(ctx, wrong)
		}
		if err = s.interruptible(ctx, s.make); err == nil {
			return nil
		}
		s.e.wait() // nobody waits for an answer or an editor
		again, mendable := errors.AsType[*editAgainError](err)
		if !mendable || !s.e.IO.CanAsk() {
			return s.keep(ctx, err)
		}
		display.Error(s.e.IO, err, exitCode(err), false)
		yes := false
		asking := s.interruptible(ctx, func(ctx context.Context) (err error) {
			yes, err = s.e.IO.Ask(ctx, "Edit it again?")
			return err
		})
		if asking != nil || !yes {
			return s.keep(ctx, &silentError{code: exitCode(err)})
		}
		above, at = again.remarks(s)
		above = append(above, s.head()...)
		wrong = &silentError{code: exitCode(err)}
	}
}

// marks reports whether something is to become secret, which changes the file even where its text is as it was.
func (s *editSession) marks() bool { return len(s.marked)+len(s.o.secretAt) > 0 }

// interruptible runs a step that Ctrl-C ends.
func (s *editSession) interruptible(ctx context.Context, step func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, endings...)
	defer stop()
	return step(ctx)
}

// edit opens the editor on the text once, and takes what it leaves.
func (s *editSession) edit(ctx context.Context, remarks annotate.Remarks, above []string, at map[int][]string, round int) error {
	name := fmt.Sprintf("%d.%s.%s", round, s.a.Environment, path.Base(s.file))
	offered := remarks.Add(s.text, above, at)
	file, err := s.dir.Write(name, offered)
	clear(offered)
	if err != nil {
		return err
	}
	s.e.forgetKeys()
	failed := s.e.openEditor(ctx, s.o.editor, s.dir, file)
	written, err := os.ReadFile(file)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("read what was edited: %w", err))
	}
	text := remarks.Strip(written)
	if !s.inCUE {
		var marked []tree.Path
		text, marked = annotate.Marked(s.file, text)
		s.marked = append(s.marked, marked...)
	}
	s.text = text
	if len(bytes.TrimSpace(text)) == 0 {
		s.text = nil
	}
	return failed
}

// make merges what others did meanwhile, prepares the change, shows it, and makes it unless it is a dry run.
func (s *editSession) make(ctx context.Context) error {
	base, err := s.e.writeBase(ctx, s.w, s.o.Write)
	if err != nil {
		return err
	}
	now, err := layerText(ctx, base, s.a)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, s.source) {
		if err := s.catchUp(ctx, base); err != nil {
			return err
		}
	}
	marked := s.o.secretAt
	if doc, err := yamldoc.Parse(s.file, s.text); err == nil {
		for _, key := range s.marked { // a line that is gone again marks nothing
			if doc.Root().Get(key) != nil {
				marked = append(marked, key)
			}
		}
	}
	request := change.Request{
		Kind: "edit", Reason: s.o.Reason, Now: s.e.now(),
		Texts: []change.Text{{Address: s.a, Source: s.text, Secrets: marked}},
	}
	plan, err := change.Prepare(ctx, s.w, base, request)
	if err == nil {
		err = plan.Err()
	}
	if err != nil {
		findings, _ := errors.AsType[diag.List](err)
		if len(findings) == 0 {
			return err
		}
		return &editAgainError{err, findings, isA[*change.FindingsError](err)}
	}
	if err := s.e.apply(ctx, plan, s.o.Write, s.o.format); err != nil {
		return err
	}
	if s.o.DryRun && !plan.Empty() {
		return s.saveOr(ctx, errDryRun)
	}
	return dropDraft(s.w, s.a)
}

// catchUp brings what others changed in the file since it was read into the text.
func (s *editSession) catchUp(ctx context.Context, base *workspace.Snapshot) error {
	before, mine := s.from, s.text
	if err := s.read(ctx, base); err != nil {
		return err
	}
	conflicts, err := s.merge(ctx, before)
	if err != nil {
		return err
	}
	if !conflicts {
		s.e.IO.Note("%s was changed by somebody else meanwhile; both changes are in", s.file)
		return nil
	}
	conflict := &gitrepo.ConflictError{Reason: "somebody else changed the same while you edited", Paths: []string{s.file}}
	if s.e.IO.CanAsk() {
		return &editAgainError{err: conflict}
	}
	s.from, s.text = before, mine // to be merged when it is gone on with
	return conflict
}

// merge brings what differs between an earlier state of the file and the one it has now into the text. Where that conflicts,
// the text has both, between markers.
func (s *editSession) merge(ctx context.Context, before []byte) (conflicts bool, err error) {
	if bytes.Equal(before, s.from) {
		return false, nil
	}
	r, err := merge.Merge(ctx, s.file, merge.Versions{Base: before, Ours: s.text, Theirs: s.from}, merge.Options{Keyring: s.w.Keyring(), Now: s.e.now()})
	if err != nil {
		return false, err
	}
	s.text = r.Text
	if n := len(r.Lost); n > 0 {
		s.e.IO.Warn("comments of theirs that have no place in the merged text: %d; see them with git log -p %s", n, s.file)
	}
	return len(r.Conflicts) > 0, nil
}

// conflictRemark says what to do about markers of conflicts.
const conflictRemark = "Somebody else changed the same: yours stands behind <<<<<<<, what was before behind |||||||, theirs behind =======. Leave what is meant."

// editAgainError is what can be mended in the editor.
type editAgainError struct {
	err      error
	findings diag.List
	ofFile   bool // places are those in the file as it would be written, not in the text
}

func (e *editAgainError) Error() string { return e.err.Error() }

func (e *editAgainError) Unwrap() error { return e.err }

// remarks gives the findings as remarks, at the lines of the text that they are about where those are known.
func (e *editAgainError) remarks(s *editSession) (above []string, at map[int][]string) {
	at = map[int][]string{}
	doc, _ := yamldoc.Parse(s.file, s.text)
	for _, f := range e.findings {
		text := f.Severity.String() + ": " + f.Message
		if f.Key != "" && !strings.Contains(f.Message, f.Key) {
			text = f.Severity.String() + ": " + f.Key + ": " + f.Message
		}
		if f.Hint != "" {
			text += "\nhint: " + f.Hint
		}
		line := 0
		switch {
		case !e.ofFile && f.Position.File == s.file:
			line = f.Position.Line
		case doc != nil && f.Key != "" && (f.Position.File == s.file || f.Address == s.a.String()):
			line = lineOfKey(doc, f.Key)
		}
		if line > 0 {
			at[line] = append(at[line], text)
		} else {
			above = append(above, text)
		}
	}
	if len(e.findings) == 0 {
		above = append(above, conflictRemark)
	}
	return above, at
}

// lineOfKey gives the line of a key, or of what is nearest above it; 0 for neither.
func lineOfKey(doc *yamldoc.Doc, key string) int {
	p, err := tree.ParsePath(key)
	if err != nil {
		return 0
	}
	for ; len(p) > 0; p = p[:len(p)-1] {
		if n := doc.Root().Get(p); n != nil {
			return n.Pos.Line
		}
	}
	return 0
}

var errDryRun = errors.New("nothing was written, as this is a dry run")

// keep saves what was edited and not made, and says with the error how to go on.
func (s *editSession) keep(ctx context.Context, err error) error {
	if bytes.Equal(s.text, s.from) && !s.resumed {
		return err
	}
	return s.saveOr(ctx, err)
}

func (s *editSession) saveOr(ctx context.Context, err error) error {
	ctx = context.WithoutCancel(ctx)
	d := draft{Base: s.base, Time: s.e.now(), Text: string(s.text), From: string(s.from), Keys: s.keys, Sealed: s.o.sealed, Opened: s.opened}
	for _, key := range s.marked {
		d.Keys = append(d.Keys, key.String())
	}
	if saving := s.e.saveDraft(ctx, s.w, s.access, s.a, d); saving != nil {
		s.e.IO.Warn("your edit could not be kept, and is lost: %s", saving)
		if errors.Is(err, errDryRun) {
			return nil // which is done, all the same
		}
		return err
	}
	goOn := fmt.Sprintf("your edit is kept, encrypted; go on with it: lcm edit %s --continue", s.a)
	switch silent, _ := errors.AsType[*silentError](err); {
	case errors.Is(err, errDryRun):
		s.e.IO.Note("%s", goOn)
		return nil
	case silent != nil || errors.Is(err, context.Canceled): // it is told already, or without its hint
		s.e.IO.Note("%s", goOn)
		return err
	}
	if hint := diag.HintOf(err); hint != "" {
		goOn = hint + "\n      " + goOn
	}
	return diag.WithHint(err, "%s", goOn)
}

// recordDraft records that a kept edit is opened, as its secrets are in it.
func (s *editSession) recordDraft(ctx context.Context) error {
	if len(s.keys) == 0 || s.o.sealed {
		return nil
	}
	return s.e.record(ctx, s.w, accesslog.Access{
		Action: "edit", Outcome: accesslog.Opened, Address: s.a.String(), Revision: s.base, Keys: s.keys, Reason: "an edit that was kept",
	})
}
