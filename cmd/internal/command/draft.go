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
	"github.com/llm-devops/lcm/pkg/workspace"
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
}

func draftFile(w *workspace.Workspace, a address.Address) string {
	return filepath.Join(w.Repo().GitDir(), draftFolder, a.Tenant+"."+a.Environment+"."+a.Namespace+".age")
}

// saveDraft keeps an edit, encrypted to the tenant's recipients, or to the user's own keys where the tenant has none.
func (e *env) saveDraft(ctx context.Context, w *workspace.Workspace, recipients []string, a address.Address, d draft) error {
	if len(recipients) == 0 {
		var err error
		if recipients, err = e.keyring().Recipients(ctx); err != nil {
			return err
		}
	}
	if len(recipients) == 0 {
		return errors.New("there is no key to encrypt it to")
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	defer clear(plain)
	data, err := seal.SealTo(recipients, plain)
	if err != nil {
		return err
	}
	file := draftFile(w, a)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
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
	plain, err := seal.OpenAge(ctx, data, e.keyring())
	if err != nil {
		return d, fmt.Errorf("open the unfinished edit of %s: %w", a, err)
	}
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
