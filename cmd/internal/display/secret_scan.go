package display

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scan"
)

// SecretScanText writes the report of lcm secret scan for people: the findings, then one line that sums up.
func SecretScanText(t *term.IO, r *scan.Report) error {
	s := t.Style()
	for _, f := range r.Findings {
		if c := f.Commit; c != nil {
			f.Related = append([]diag.Related{{
				Position: diag.Position{File: "commit " + c.Revision.Short()}, Message: c.Author + ", " + c.Date.Format("2006-01-02"),
			}}, f.Related...)
		}
		if err := FindingsText(t.Out, diag.List{f.Finding}, s); err != nil {
			return err
		}
	}
	verdict := s.Green("no secrets in plain text")
	if n := len(r.Findings); n > 0 {
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
		verdict = s.Red(plural(n, "finding"))
	} else if r.Known > 0 {
		verdict = s.Green("no new secrets in plain text")
	}
	line := verdict + ": " + plural(r.Files, "file")
	if r.Commits > 0 {
		line += " of " + plural(r.Commits, "commit")
	}
	if r.Known > 0 {
		line += fmt.Sprintf("; %d known", r.Known)
	}
	_, err := fmt.Fprintln(t.Out, line)
	return err
}

// SecretBaseline is a baseline that was written.
type SecretBaseline struct {
	File     string `json:"file"`
	Findings int    `json:"findings"`
}

// SecretBaselineText says so for people.
func SecretBaselineText(t *term.IO, b SecretBaseline) error {
	if _, err := fmt.Fprintf(t.Out, "wrote %s: %s known\n", b.File, plural(b.Findings, "finding")); err != nil {
		return err
	}
	t.Note("next: say in each note: why it may stay, and commit the file; then lcm secret scan --baseline %s", b.File)
	return nil
}

// The parts of a SARIF log that a scan has something for.
// Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
		Properties          *scan.Commit      `json:"properties,omitempty"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn,omitempty"`
	}
)

// SecretScanSARIF writes the report of lcm secret scan for code scanning services.
func SecretScanSARIF(w io.Writer, r *scan.Report, version string) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "lcm", Version: version, Rules: []sarifRule{}}
	rules := map[string]int{}
	for _, f := range r.Findings {
		index, known := rules[f.Code]
		if !known {
			index = len(rules)
			rules[f.Code] = index
			about, _, _ := strings.Cut(f.Message, " (")
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{f.Code, sarifText{about}})
		}
		message := f.Message
		if f.Key != "" {
			message = f.Key + ": " + message
		}
		if f.Hint != "" {
			message += "\n" + f.Hint
		}
		result := sarifResult{
			RuleID: f.Code, RuleIndex: index, Level: f.Severity.String(), Message: sarifText{message},
			PartialFingerprints: map[string]string{"lcm/v1": f.Fingerprint}, Properties: f.Commit,
		}
		var at sarifLocation
		at.Physical.Artifact.URI = (&url.URL{Path: f.Position.File}).EscapedPath()
		if f.Position.Line > 0 {
			at.Physical.Region = &sarifRegion{f.Position.Line, f.Position.Column}
		}
		result.Locations = []sarifLocation{at}
		run.Results = append(run.Results, result)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
