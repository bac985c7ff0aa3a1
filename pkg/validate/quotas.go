package validate

import (
	"context"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// The codes of quotas.
const (
	CodeQuotaNear     = "quota-near"
	CodeQuotaExceeded = "quota-exceeded"
)

// Quotas checks what a tenant uses against its quotas, those named or all: a warning from workspace.WarnPercent on, an error
// above the limit. Files are parsed only when the result depends on it.
func Quotas(ctx context.Context, s *workspace.Snapshot, t *workspace.Tenant, quotas ...string) (diag.List, error) {
	used, err := s.UsageAtMost(ctx, t, quotas...)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(used, workspace.Used.Near) {
		if used, err = s.Usage(ctx, t, quotas...); err != nil {
			return nil, err
		}
	}
	var list diag.List
	for _, u := range used {
		if f, ok := quotaFinding(t, u); ok {
			list = append(list, f)
		}
	}
	return list, nil
}

func quotaFinding(t *workspace.Tenant, u workspace.Used) (diag.Finding, bool) {
	f := diag.Finding{
		Code: CodeQuotaNear, Severity: diag.Warning, Position: u.Pos, Key: "quotas." + u.Name,
		Hint: fmt.Sprintf("remove what is not needed, or raise quotas.%s in %s; see lcm tenant show %s", u.Name, t.File, t.Name),
	}
	switch {
	case u.Exceeded():
		f.Code, f.Severity = CodeQuotaExceeded, diag.Error
		f.Message = fmt.Sprintf("tenant %q is over its quota: %s", t.Name, u)
	case u.Near():
		f.Message = fmt.Sprintf("tenant %q is near its quota: %s (%d %%)", t.Name, u, u.Percent())
	default:
		return f, false
	}
	return f, true
}
