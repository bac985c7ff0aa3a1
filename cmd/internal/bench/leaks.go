package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
		file := subject(r).File()
		src, err := os.ReadFile(filepath.Join(r.dir(), file))
		if err != nil {
			return fmt.Errorf("read the file to stage: %w", err)
		}
		if err := r.write(file, maxInFlight.ReplaceAll(src, []byte("${1}"+strconv.Itoa(value)))); err != nil {
			return err
		}
		_, err = output(ctx, r.command("git", "add", "--", file))
		return err
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
