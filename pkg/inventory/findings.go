package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// The codes of findings about the age of secrets.
const (
	CodeDue        = "secret-due"         //nolint:gosec // it is to be changed
	CodeOverdue    = "secret-overdue"     //nolint:gosec // it is past its grace where that is refused
	CodeExpired    = "secret-expired"     //nolint:gosec // what it opens is closed
	CodeAgeUnknown = "secret-age-unknown" //nolint:gosec // history ends before it was set
)

// Check gives what is due at a time among the secrets of the layers that patterns mean: a warning, or an error where lcm.yaml
// refuses secrets that are past their grace, or expired, in an environment that has them. With readers, only those addresses
// count for that. What cannot be read is a finding of others, and nothing is due then.
func Check(
	ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, patterns []address.Pattern, readers []address.Address, now time.Time,
) (diag.List, error) {
	settings, err := s.Settings(ctx)
	if err != nil || settings.Secrets == nil {
		return nil, nil //nolint:nilerr // it is a finding
	}
	layers, err := Layers(ctx, s, patterns...)
	if err != nil {
		return nil, err
	}
	secrets, err := List(ctx, w, s, layers)
	if _, unread := errors.AsType[diag.List](err); unread {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if readers == nil {
		if readers, err = s.Addresses(ctx); err != nil {
			return nil, err
		}
	}
	return findings(settings, secrets, readers, now), nil
}

func findings(settings *workspace.Settings, secrets []*Secret, readers []address.Address, now time.Time) diag.List {
	policy, refused := settings.Secrets, refusing(settings, readers)
	var list diag.List
	unknown := 0
	for _, secret := range secrets {
		due, ok := secret.Due()
		if secret.Cut && secret.Rotation != "" {
			unknown++ // it is at least as old as that, and may be due
		}
		if !ok || now.Before(due) {
			continue
		}
		f := diag.Finding{
			Code: CodeDue, Severity: diag.Warning, Position: secret.Position, Key: secret.Key.String(),
			Message: fmt.Sprintf("the secret %s was last changed on %s and is to be changed every %s: it is due since %s",
				secret.Key, day(secret.Changed.Committed), secret.Rotation, day(due)),
			Hint: fmt.Sprintf("change it where it was issued, then here: lcm set %s --secret '%s'", secret.Address, secret.Key),
		}
		if secret.Owner != "" {
			f.Hint += "; it is for " + secret.Owner + " to do"
		}
		expired := !secret.Expires.IsZero() && due.Equal(secret.Expires)
		if expired {
			f.Code, f.Message = CodeExpired, fmt.Sprintf("the secret %s expired on %s", secret.Key, day(due))
		}
		if by, ok := refused[secret.Address]; ok && (expired || now.After(due.Add(policy.Grace))) {
			f.Severity, f.Address = diag.Error, by.String()
			if !expired {
				f.Code = CodeOverdue
				f.Message += fmt.Sprintf(", longer than the grace of %s that %s has", span(policy.Grace), by.Environment)
			}
		}
		list = append(list, f)
	}
	if unknown > 0 {
		list = append(list, diag.Finding{
			Code: CodeAgeUnknown, Severity: diag.Warning, Position: policy.Pos,
			Message: fmt.Sprintf("history is cut off in this clone, so secrets may be older than it shows: %d", unknown), Hint: "git fetch --unshallow",
		})
	}
	return list
}

// refusing gives the layers that readers read in environments which refuse secrets past their grace, each with one such reader.
func refusing(settings *workspace.Settings, readers []address.Address) map[address.Address]address.Address {
	refused := map[address.Address]address.Address{}
	for _, a := range readers {
		if !settings.Secrets.Refuses(a.Environment) {
			continue
		}
		for _, ref := range settings.Stack(a) {
			if _, ok := refused[ref.Address]; !ok {
				refused[ref.Address] = a
			}
		}
	}
	return refused
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// span gives a span of time in days where it is whole ones.
func span(d time.Duration) string {
	if days := d / (24 * time.Hour); d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	return d.String()
}
