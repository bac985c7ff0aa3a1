package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
)

// Init is what lcm init found and made.
type Init struct {
	Root           string    `json:"root"`
	DryRun         bool      `json:"dryRun,omitempty"`
	Created        bool      `json:"created"` // the Git repository itself
	Commit         string    `json:"commit,omitempty"`
	Files          []string  `json:"files"`
	Signer         string    `json:"signer,omitempty"`
	SigningKey     string    `json:"signingKey,omitempty"`
	SigningKeyMade bool      `json:"signingKeyMade,omitempty"`
	IdentityFile   string    `json:"identityFile,omitempty"`
	IdentityMade   bool      `json:"identityMade,omitempty"`
	Recipients     []string  `json:"recipients,omitempty"`
	Set            []Setting `json:"set,omitempty"` // in this clone's Git configuration
	HasTenants     bool      `json:"-"`
}

// InitText writes the report of lcm init for people.
func InitText(t *term.IO, r Init) error {
	s := t.Style()
	var b strings.Builder
	made := func(yes bool, what string) string {
		if yes {
			return s.Green("made ") + what
		}
		return s.Dim("uses ") + what
	}
	switch {
	case r.DryRun:
		fmt.Fprintf(&b, "dry run: nothing was written. In %s there would be\n", s.Bold(r.Root))
	case r.Commit == "" && len(r.Set) > 0:
		fmt.Fprintf(&b, "%s is a config repository already: this clone was told to call lcm for git diff\n", s.Bold(r.Root))
	case r.Commit == "":
		fmt.Fprintf(&b, "%s is a config repository already: nothing to do\n", s.Bold(r.Root))
	case r.Created:
		fmt.Fprintf(&b, "%s\n", s.Bold(r.Root))
	default:
		fmt.Fprintf(&b, "%s, an existing Git repository\n", s.Bold(r.Root))
	}
	if r.Commit != "" || r.DryRun {
		if r.SigningKey != "" {
			fmt.Fprintf(&b, "  %s\n", made(r.SigningKeyMade, "signing key   "+r.SigningKey))
		}
		if r.IdentityFile != "" {
			fmt.Fprintf(&b, "  %s\n", made(r.IdentityMade, "age identity  "+r.IdentityFile))
		}
		for _, key := range r.Recipients {
			fmt.Fprintf(&b, "  %s\n", made(false, "recipient     "+key))
		}
		for _, f := range r.Files {
			fmt.Fprintf(&b, "  %s%s\n", s.Green("adds "), f)
		}
	}
	if r.Commit != "" {
		fmt.Fprintf(&b, "committed %s\n", s.Yellow(r.Commit[:min(10, len(r.Commit))]))
	}
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	if r.IdentityMade && !r.DryRun {
		t.Note("keep a copy of %s somewhere safe: without it, what is encrypted to it is lost", r.IdentityFile)
	}
	switch {
	case r.DryRun:
	case r.HasTenants:
		t.Note("next: lcm validate")
	default:
		t.Note("next: lcm tenant add NAME --generate, then lcm namespace add NAME --module MODULE")
	}
	return nil
}
