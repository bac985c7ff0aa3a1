package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// parsePattern reads a pattern of the command line.
func parsePattern(text string) (address.Pattern, error) {
	p, err := address.ParsePattern(text)
	if err != nil {
		return p, usage(err, "for example acme, acme/production or '*/production/inference'")
	}
	return p, nil
}

// parsePatterns reads the patterns of the command line. What they name without a glob has to be in the repository.
func parsePatterns(ctx context.Context, s *workspace.Snapshot, texts []string) ([]address.Pattern, error) {
	patterns := make([]address.Pattern, 0, len(texts))
	for _, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		if err := checkPattern(ctx, s, p); err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// noMatch says that nothing in the repository is meant by patterns.
func noMatch(patterns []string) error {
	return diag.WithHint(fmt.Errorf("nothing matches %s", strings.Join(patterns, " ")), "see what there is: lcm list")
}

// match gives the addresses of a pattern, at least one.
func match(ctx context.Context, s *workspace.Snapshot, patterns ...string) ([]address.Address, error) {
	parsed, err := parsePatterns(ctx, s, patterns)
	if err != nil {
		return nil, err
	}
	addresses, err := s.Addresses(ctx, parsed...)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		if len(patterns) == 0 {
			return nil, diag.WithHint(errors.New("there are no addresses yet"), "add a tenant and a namespace: lcm tenant add, lcm namespace add")
		}
		return nil, noMatch(patterns)
	}
	return addresses, nil
}

// checkPattern names a part of a pattern that is no glob and that the repository does not declare.
func checkPattern(ctx context.Context, s *workspace.Snapshot, p address.Pattern) error {
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	tenant, env, ns := p.Parts()
	plain := func(part string) bool { return !strings.ContainsAny(part, "*?") }
	if plain(tenant) {
		if _, err := s.Tenant(ctx, tenant); err != nil {
			return err
		}
	}
	if plain(env) && !settings.Folder(env) {
		return workspace.Unknown("environment", env, settings.FolderNames())
	}
	if _, ok := settings.Namespace(ns); plain(ns) && !ok {
		return workspace.Unknown("namespace", ns, settings.NamespaceNames())
	}
	return nil
}
