package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// draftFolder holds edits that could not be made, in the Git directory of the worktree.
const draftFolder = "lcm-drafts"

// draft is an edit that was not made: kept encrypted, as it may hold secrets.
type draft struct {
	Base   string    `json:"base"` // the revision it started from; "" is the worktree
	Time   time.Time `json:"time"`
	Text   string    `json:"text"`   // as it was edited
	From   string    `json:"from"`   // as it was before
	Keys   []string  `json:"keys"`   // of its secrets
	Sealed bool      `json:"sealed"` // its secrets are ciphertext
	Opened bool      `json:"opened"` // it holds secrets of the tenant that were opened
}

func draftFile(w *workspace.Workspace, a address.Address) string {
	return filepath.Join(w.Repo().GitDir(), draftFolder, a.Tenant+"."+a.Environment+"."+a.Namespace+".yaml")
}

// draftKey is where the edit stands in the sealed file.
var draftKey = tree.Path{tree.Key("edit")}

// saveDraft keeps an edit in a file in the SOPS format. Where it holds secrets that were opened, those open it who open the
// tenant's, so it takes keys of as many key groups. One that holds what its author wrote alone is for the author's own keys, as
// those need not open the tenant's secrets; who has none that are known here leaves it to the tenant's.
func (e *env) saveDraft(ctx context.Context, w *workspace.Workspace, access seal.Access, a address.Address, d draft) error {
	if !d.Opened || len(access.Recipients()) == 0 {
		own, err := e.keyring().Recipients(ctx)
		if err != nil {
			return err
		}
		if len(own) > 0 {
			access = seal.AccessOf(own...)
		}
	}
	if len(access.Recipients()) == 0 {
		return errors.New("there is no key to encrypt it to")
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	defer clear(plain)
	file := draftFile(w, a)
	empty, err := yamldoc.Parse(file, nil)
	if err != nil {
		return err
	}
	doc, err := seal.Edit(ctx, empty, []seal.Change{{Path: draftKey, Value: tree.NewString(string(plain)), Secret: true}},
		seal.Options{Access: access, Keyring: e.keyring(), Now: d.Time})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, doc.Source(), 0o600)
}

// loadDraft opens a draft. The error is fs.ErrNotExist if there is none.
func (e *env) loadDraft(ctx context.Context, w *workspace.Workspace, a address.Address) (draft, error) {
	var d draft
	data, err := os.ReadFile(draftFile(w, a))
	if errors.Is(err, fs.ErrNotExist) {
		return d, diag.WithHint(fmt.Errorf("there is no unfinished edit of %s: %w", a, fs.ErrNotExist), "begin one: lcm edit %s", a)
	}
	if err != nil {
		return d, fmt.Errorf("read the unfinished edit of %s: %w", a, err)
	}
	doc, err := yamldoc.Parse(draftFile(w, a), data)
	if err != nil {
		return d, fmt.Errorf("the unfinished edit of %s is damaged: %w", a, err)
	}
	opened, err := seal.Open(ctx, doc, e.keyring())
	if err != nil {
		return d, fmt.Errorf("open the unfinished edit of %s: %w", a, err)
	}
	text := opened.Get(draftKey)
	if text == nil {
		return d, fmt.Errorf("the unfinished edit of %s is damaged: it holds no edit", a)
	}
	plain := []byte(text.Reveal())
	defer clear(plain)
	if err := json.Unmarshal(plain, &d); err != nil {
		return d, fmt.Errorf("the unfinished edit of %s is damaged: %w", a, err)
	}
	return d, nil
}

// dropDraft forgets a draft, if there is one.
func dropDraft(w *workspace.Workspace, a address.Address) error {
	if err := os.Remove(draftFile(w, a)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the unfinished edit of %s: %w", a, err)
	}
	return nil
}
