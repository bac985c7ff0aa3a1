package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Baseline is what is known already, so that only what is new is a finding. It holds nothing of any secret.
type Baseline struct {
	Findings []KnownFinding `json:"findings"`
}

// KnownFinding is one finding of a baseline. The fingerprint is what counts; the rest is for people.
type KnownFinding struct {
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	File        string `json:"file"`
	Commit      string `json:"commit,omitempty"`
	Note        string `json:"note,omitempty"` // why it may stay; whoever reviews the file writes it
}

const baselineKind = "SecretBaseline"

// ParseBaseline reads a baseline; file is for errors.
func ParseBaseline(file string, src []byte) (*Baseline, error) {
	var b struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Baseline
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, diag.WithHint(fmt.Errorf("read baseline %s: %w", file, err), "write it anew: lcm secret scan --write-baseline %s", file)
	}
	if b.APIVersion != workspace.APIVersion || b.Kind != baselineKind {
		return nil, diag.WithHint(fmt.Errorf("read baseline %s: it is a %q of %q, not a %s of %s", file, b.Kind, b.APIVersion, baselineKind, workspace.APIVersion),
			"write it anew: lcm secret scan --write-baseline %s", file)
	}
	return &b.Baseline, nil
}

// Bytes gives the text of a baseline of all that a report found, with the notes of an older one, which may be nil.
func (r *Report) Bytes(older *Baseline) ([]byte, error) {
	notes := map[string]string{}
	if older != nil {
		for _, k := range older.Findings {
			notes[k.Fingerprint] = k.Note
		}
	}
	known := make([]KnownFinding, 0, len(r.Findings))
	for _, f := range r.Findings {
		k := KnownFinding{Fingerprint: f.Fingerprint, Rule: f.Code, File: f.Position.File, Note: notes[f.Fingerprint]}
		if f.Commit != nil {
			k.Commit = f.Commit.Revision.Hash
		}
		known = append(known, k)
	}
	text, err := json.MarshalIndent(struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Findings   []KnownFinding `json:"findings"`
	}{workspace.APIVersion, baselineKind, known}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write baseline: %w", err)
	}
	return append(text, '\n'), nil
}

// Without leaves out of a report what the baseline knows, each as often as it stands there, and gives the entries of which
// nothing was found any more.
func (r *Report) Without(b *Baseline) (gone []KnownFinding) {
	left := map[string]int{}
	for _, k := range b.Findings {
		left[k.Fingerprint]++
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool {
		if left[f.Fingerprint] == 0 {
			return false
		}
		left[f.Fingerprint]--
		r.Known++
		return true
	})
	for _, k := range b.Findings {
		if left[k.Fingerprint] > 0 {
			left[k.Fingerprint]--
			gone = append(gone, k)
		}
	}
	return gone
}
