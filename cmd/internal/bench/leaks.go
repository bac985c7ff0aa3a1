package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/llm-devops/lcm/pkg/address"
)

// leaks times looking for secrets: in all files, and in one edit that is staged, where lcm validates too.
func (b bench) leaks(ctx context.Context) ([]comparison, error) {
	r := b.large
	whole, err := compete(ctx, validateTurns,
		contender{name: "lcm secret scan", next: func(context.Context, int) (command, error) {
			return r.command(b.lcm, "secret", "scan"), nil
		}},
		contender{name: "`gitleaks dir`", next: func(context.Context, int) (command, error) {
			return r.command(b.gitleaks, "dir", "--no-banner", "--log-level=fatal", "--exit-code=0", "."), nil
		}},
	)
	if err != nil {
		return nil, err
	}
	stage := func(ctx context.Context, value int) error {
		return r.stage(ctx, subject(r).File(), maxInFlight, "${1}"+strconv.Itoa(value))
	}
	staged, err := compete(ctx, b.turns,
		contender{name: "lcm hooks pre-commit", next: func(ctx context.Context, turn int) (command, error) {
			return r.command(b.lcm, "hooks", "pre-commit"), stage(ctx, 5000+2*turn)
		}},
		contender{name: "`gitleaks git --staged`", next: func(ctx context.Context, turn int) (command, error) {
			return r.command(b.gitleaks, "git", "--staged", "--no-banner", "--log-level=fatal", "--exit-code=0", "."), stage(ctx, 5001+2*turn)
		}},
	)
	if err != nil {
		return nil, err
	}
	return []comparison{
		{what: b.in("look for secrets in all files", r), ours: whole[0], theirs: whole[1], limit: 1, limitText: "1"},
		{what: b.in("check what is staged before a commit", r), ours: staged[0], theirs: staged[1], limit: 3, limitText: "3 (lcm validates too)"},
	}, nil
}

// stage edits a file and stages it.
func (r repository) stage(ctx context.Context, file string, line *regexp.Regexp, with string) error {
	src, err := os.ReadFile(filepath.Join(r.dir(), file))
	if err != nil {
		return fmt.Errorf("read the file to stage: %w", err)
	}
	out := line.ReplaceAll(src, []byte(with))
	if string(out) == string(src) {
		return errors.New("the line to stage is not where it was")
	}
	if err := r.write(file, out); err != nil {
		return err
	}
	_, err = output(ctx, r.command("git", "add", "--", file))
	return err
}

var (
	openFor   = regexp.MustCompile(`(?m)^(  open_for: ).*$`)
	modelName = regexp.MustCompile(`(?m)^  embedding\d*:$`)
)

// below times checking a staged change of the platform's layer that lies under all addresses of two namespaces, against
// checking everything cold: one that gives a field another value, and one that renames a model, so that what all of them
// refer to has to be looked at again.
func (b bench) below(ctx context.Context) ([]comparison, error) {
	r := b.large
	file := address.Address{Tenant: address.Global, Environment: address.Base, Namespace: "inference"}.File()
	hook := func(line *regexp.Regexp, with string) contender {
		return contender{name: "lcm hooks pre-commit", next: func(ctx context.Context, turn int) (command, error) {
			return r.command(b.lcm, "hooks", "pre-commit"), r.stage(ctx, file, line, fmt.Sprintf(with, turn+1))
		}}
	}
	if _, err := output(ctx, r.command(b.lcm, "hooks", "pre-commit")); err != nil {
		return nil, err
	}
	all, err := compete(ctx, validateTurns,
		hook(openFor, "${1}%ds"), hook(modelName, "  embedding%d:"),
		contender{name: "validate everything, cold", next: func(context.Context, int) (command, error) {
			return r.command(b.lcm, "validate", "--no-cache"), nil
		}},
	)
	if err != nil {
		return nil, err
	}
	const what = "check a staged change that lies under all tenants"
	return []comparison{
		{what: b.in(what, r), ours: all[0], theirs: all[2], limit: 0.1, limitText: "0.1 (10 ×)"},
		{what: b.in(what+", of a name that is referred to", r), ours: all[1], theirs: all[2], limit: 0.1, limitText: "0.1 (10 ×)"},
	}, nil
}
