package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
)

// tools are the programs that compete, as absolute paths.
type tools struct{ lcm, sops, cue, gitleaks string }

// bench is what the scenarios share.
type bench struct {
	tools
	small, large repository
	huge         repository // none without -huge
	turns        int
	schemas      string // folder with the schemas as files, for cue
}

// subject is the address that get and set work on; it lies in the middle of the order, so that no one is lucky.
func subject(r repository) address.Address {
	return address.Address{Tenant: tenantName(r.tenants / 2), Environment: "production", Namespace: "inference"}
}

// get times reading one secret.
func (b bench) get(ctx context.Context) ([]comparison, error) {
	lcm := func(r repository) contender {
		return contender{name: "lcm get", next: func(context.Context, int) (command, error) {
			return r.command(b.lcm, "get", subject(r).String(), "providers.openai.api_key", "--reveal"), nil
		}}
	}
	sops := func(r repository) contender {
		return contender{name: "`sops -d` of the file", next: func(context.Context, int) (command, error) {
			return r.command(b.sops, "decrypt", subject(r).File()), nil
		}}
	}
	all, err := compete(ctx, b.turns, lcm(b.small), sops(b.small), lcm(b.large), sops(b.large))
	if err != nil {
		return nil, err
	}
	return []comparison{
		{what: b.in("get a secret", b.small), ours: all[0], theirs: all[1], limit: 0.5, limitText: "0.5"},
		{what: b.in("get a secret", b.large), ours: all[2], theirs: all[3], limit: 0.5, limitText: "0.5"},
		b.growth("get a secret", all[2], all[0]),
	}, nil
}

// maxInFlight is the line that set changes.
var maxInFlight = regexp.MustCompile(`(?m)^(  max_in_flight: )\d+$`)

// set times changing one line in a signed commit.
func (b bench) set(ctx context.Context) ([]comparison, error) {
	lcm := func(r repository) contender {
		return contender{name: "lcm set", next: func(_ context.Context, turn int) (command, error) {
			return r.command(b.lcm, "set", subject(r).String(), "concurrency.max_in_flight="+strconv.Itoa(1000+2*turn), "-m", "Resize"), nil
		}}
	}
	git := func(r repository) contender {
		return contender{name: "`git commit -S` of the line", next: func(_ context.Context, turn int) (command, error) {
			file := subject(r).File()
			src, err := os.ReadFile(filepath.Join(r.dir(), file))
			if err != nil {
				return command{}, fmt.Errorf("read the file to change: %w", err)
			}
			out := maxInFlight.ReplaceAll(src, []byte("${1}"+strconv.Itoa(1001+2*turn)))
			if string(out) == string(src) {
				return command{}, errors.New("the line to change is not where it was")
			}
			return r.command("git", "commit", "-q", "-S", "-m", "Resize", "--", file), r.write(file, out)
		}}
	}
	all, err := compete(ctx, b.turns, lcm(b.small), git(b.small), lcm(b.large), git(b.large))
	if err != nil {
		return nil, err
	}
	return []comparison{
		{what: b.in("set a value, signed commit", b.small), ours: all[0], theirs: all[1], limit: 3, limitText: "3"},
		{what: b.in("set a value, signed commit", b.large), ours: all[2], theirs: all[3], limit: 3, limitText: "3"},
		b.growth("set a value, signed commit", all[2], all[0]),
	}, nil
}

// in names a scenario and where it ran.
func (b bench) in(what string, r repository) string {
	return fmt.Sprintf("%s, %d addresses", what, r.addresses())
}

// growth compares lcm with itself; a tenth is what the fastest runs of equal work differ by.
func (b bench) growth(what string, large, small series) comparison {
	small.name = fmt.Sprintf("the same in %d", b.small.addresses())
	return comparison{what: b.in(what, b.large), ours: large, theirs: small, limit: 1.1, limitText: "1 (± 0.1)"}
}

const (
	sampleSize    = 60
	validateTurns = 3
)

// validate times checking everything, against a shell loop over a sample of the files.
func (b bench) validate(ctx context.Context) (comparison, memory, error) {
	script := b.loop()
	all, err := compete(ctx, validateTurns,
		contender{name: "lcm validate", next: func(context.Context, int) (command, error) {
			return b.large.command(b.lcm, "validate"), b.large.forget()
		}},
		contender{
			name: fmt.Sprintf("shell loop of `sops -d` and `cue vet`, %d files × %d", sampleSize, b.large.addresses()/sampleSize),
			next: func(context.Context, int) (command, error) { return b.large.command("sh", "-c", script), nil },
		},
	)
	if err != nil {
		return comparison{}, memory{}, err
	}
	what := b.in("validate everything, cold", b.large)
	return comparison{
			what: what, ours: all[0], theirs: all[1], scale: float64(b.large.addresses()) / sampleSize,
			limit: 1.0 / 50, limitText: "0.02 (50 ×)", extrapolated: true,
		},
		memory{what: what, used: all[0].peak(), most: 300e6}, nil
}

// again times checking everything once more after one line of one file was edited, against checking everything cold. It gives
// the memory of the cold runs too.
func (b bench) again(ctx context.Context, r repository, most float64) (comparison, memory, error) {
	all, err := compete(ctx, validateTurns,
		contender{name: "validate everything, cold", next: func(context.Context, int) (command, error) {
			return r.command(b.lcm, "validate"), r.forget()
		}},
		contender{name: "lcm validate", next: func(_ context.Context, turn int) (command, error) {
			file := subject(r).File()
			src, err := os.ReadFile(filepath.Join(r.dir(), file))
			if err != nil {
				return command{}, fmt.Errorf("read the file to edit: %w", err)
			}
			return r.command(b.lcm, "validate"), r.write(file, maxInFlight.ReplaceAll(src, []byte("${1}"+strconv.Itoa(3000+turn))))
		}},
	)
	if err != nil {
		return comparison{}, memory{}, err
	}
	cold, edited := all[0], all[1]
	what := b.in("validate again after one edit", r)
	return comparison{what: what, ours: edited, theirs: cold, limit: 1.0 / 20, limitText: "0.05 (20 ×)"},
		memory{what: b.in("validate everything, cold", r), used: cold.peak(), most: int64(most)}, nil
}

// far times reading one secret in a repository of another size than the small one's.
func (b bench) far(ctx context.Context) (comparison, error) {
	get := func(r repository) contender {
		return contender{name: "lcm get", next: func(context.Context, int) (command, error) {
			return r.command(b.lcm, "get", subject(r).String(), "providers.openai.api_key", "--reveal"), nil
		}}
	}
	all, err := compete(ctx, b.turns, get(b.small), get(b.huge))
	if err != nil {
		return comparison{}, err
	}
	all[0].name = fmt.Sprintf("the same in %d", b.small.addresses())
	return comparison{what: b.in("get a secret", b.huge), ours: all[1], theirs: all[0], limit: 1.1, limitText: "1 (± 0.1)"}, nil
}

// loop gives the script that checks a sample of the large repository's layer files.
func (b bench) loop() string {
	var all []string
	for i := range b.large.tenants {
		for _, env := range environments {
			for _, ns := range namespaces {
				a := address.Address{Tenant: tenantName(i), Environment: env, Namespace: ns.name}
				vet := fmt.Sprintf("%s vet -d '#Config' %s", b.cue, filepath.Join(b.schemas, strings.ReplaceAll(ns.module, "-", "_")+".cue"))
				if len(ns.secrets) > 0 {
					all = append(all, fmt.Sprintf("%s decrypt %s | %s yaml: -", b.sops, a.File(), vet))
				} else {
					all = append(all, fmt.Sprintf("%s %s", vet, a.File()))
				}
			}
		}
	}
	var script strings.Builder
	for i := range sampleSize {
		// Evenly spread, and each time a little further, so that every namespace and environment comes up.
		step := len(all) / sampleSize
		script.WriteString(all[i*step+i%addressesPerTenant()%step] + " >/dev/null 2>&1\n")
	}
	// A single layer may well lack what others give; that it was looked at is what counts.
	return script.String() + "true\n"
}

// forget removes whatever lcm may have kept of earlier runs.
func (r repository) forget() error {
	for _, dir := range []string{filepath.Join(r.home(), ".cache"), filepath.Join(r.dir(), ".lcm")} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove cache: %w", err)
		}
	}
	return nil
}
