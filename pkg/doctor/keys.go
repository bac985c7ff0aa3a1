package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Keys examines the identities at hand, and which tenants' secrets they are for; s may be nil outside of a config repository.
// It goes by the tenants' own files, and opens nothing.
func Keys(ctx context.Context, k *seal.Keyring, s *workspace.Snapshot) []Check {
	has, err := k.HasIdentities(ctx)
	if err != nil {
		return []Check{failed("keys", "identities", Wrong, err)}
	}
	if !has {
		return []Check{{
			Area: "keys", Name: "identities", Status: Warning,
			Message: "no identity was found: secrets can be set, and not read",
			Hint:    "save an age identity to " + k.DefaultIdentityFile() + " (age-keygen makes one), and have its public key added: lcm keys add NAME --recipient KEY --tenant TENANT",
		}}
	}
	own, err := k.Recipients(ctx)
	if err != nil {
		return []Check{failed("keys", "identities", Wrong, err)}
	}
	var checks []Check
	if len(own) > 0 {
		checks = append(checks, ok("keys", "identities", "identities were found for %s", strings.Join(short(own), ", ")))
	} else {
		checks = append(checks, Check{
			Area: "keys", Name: "identities", Status: OK,
			Message: "identities were found; for which public keys they are is only known once they are asked",
		})
	}
	for _, w := range k.Warnings() {
		path := w.Position.File
		checks = append(checks, Check{
			Area: "permissions", Name: "identity-file", Status: Wrong, Message: w.Message + ": " + path, Hint: w.Hint, Remedy: w.Hint,
			Fix: func(context.Context) error { return os.Chmod(path, 0o600) },
		})
	}
	if s == nil {
		return checks
	}
	return append(checks, coverage(ctx, s, own))
}

// coverage says which tenants' secrets the identities are for.
func coverage(ctx context.Context, s *workspace.Snapshot, own []string) Check {
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return failed("keys", "tenants", Wrong, err)
	}
	var opens, together, not []string
	for _, name := range tenants {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			return failed("keys", "tenants", Wrong, fmt.Errorf("tenant %s: %w", name, err))
		}
		switch {
		case t.Access().OpensWith(own...):
			opens = append(opens, name)
		case slices.ContainsFunc(t.Keys(), func(key string) bool { return slices.Contains(own, key) }):
			together = append(together, name)
		default:
			not = append(not, name)
		}
	}
	switch {
	case len(tenants) == 0:
		return ok("keys", "tenants", "there is no tenant yet")
	case len(together) > 0:
		message := "your keys are for the secrets of " + some(together) + " together with somebody else's, of another key group"
		if len(opens) > 0 {
			message += "; alone of " + some(opens)
		}
		if len(not) > 0 {
			message += "; not of " + some(not)
		}
		return ok("keys", "tenants", "%s", message)
	case len(not) == 0:
		return ok("keys", "tenants", "your keys are for the secrets of all tenants (%d)", len(tenants))
	case len(opens) == 0:
		return Check{
			Area: "keys", Name: "tenants", Status: Warning, Message: "your keys are for the secrets of no tenant: they can be set, and not read",
			Hint: "have one of your public keys added, by somebody who can read them: lcm keys add NAME --recipient KEY --tenant TENANT",
		}
	}
	// Not to have all keys is as it should be for most people.
	return ok("keys", "tenants", "your keys are for the secrets of %s; not of %s", some(opens), some(not))
}

// some names a few, and says how many more there are.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// short gives enough of public keys to know them by.
func short(keys []string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		if kind, rest, ok := strings.Cut(key, " "); ok {
			key = kind + " …" + rest[max(0, len(rest)-8):]
		} else if len(key) > 20 {
			key = key[:14] + "…"
		}
		out[i] = key
	}
	return out
}
