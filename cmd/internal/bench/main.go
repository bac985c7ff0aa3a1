// Bench times lcm against the programs it takes the place of, on generated repositories, and writes a Markdown page:
//
//	make bench
//	make bench BENCHFLAGS='-o docs/benchmarks.md'
//
// It exits with 1 where a limit is not kept. The peers come from testdata/tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	lcm, build, out, generate string
	small, large, huge, turns int
	tenants                   int
}

// start is the program, with its arguments and streams.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.lcm, "lcm", "bin/lcm", "time this `BINARY`")
	flags.StringVar(&o.build, "tools", "testdata/tools/build.sh", "`SCRIPT` that builds a peer and prints its path")
	flags.StringVar(&o.out, "o", "", "write the page to `FILE` in place of stdout")
	flags.IntVar(&o.small, "small", 100, "`ADDRESSES` of the small repository, a multiple of 20")
	flags.IntVar(&o.large, "large", 6600, "`ADDRESSES` of the large repository, a multiple of 20")
	flags.IntVar(&o.huge, "huge", 0, "`ADDRESSES` of a third repository, 66000 for the published page: it takes minutes to make")
	flags.IntVar(&o.turns, "turns", 20, "runs of each contender; validate has fewer")
	flags.StringVar(&o.generate, "generate", "", "only generate the repository with -tenants in `DIR`, with its user's home")
	flags.IntVar(&o.tenants, "tenants", 5, "with -generate: `NUMBER` of tenants, of 20 addresses each")
	if err := flags.Parse(args); err != nil {
		return err
	}
	lcm, err := filepath.Abs(o.lcm)
	if err != nil {
		return fmt.Errorf("find lcm: %w", err)
	}
	if o.generate != "" {
		root, err := filepath.Abs(o.generate)
		if err != nil {
			return fmt.Errorf("find the folder to generate in: %w", err)
		}
		return repository{root: root, tenants: o.tenants}.generate(ctx, lcm)
	}
	per := addressesPerTenant()
	if o.small < per || o.large <= o.small || o.small%per != 0 || o.large%per != 0 || o.huge%per != 0 || o.large < sampleSize || o.turns < 1 {
		return fmt.Errorf("-small and -large must be multiples of %d, the second larger and at least %d", per, sampleSize)
	}
	r, err := measure(ctx, o, lcm, stderr)
	if err != nil {
		return err
	}
	if err := save(r, o.out, stdout); err != nil {
		return err
	}
	if !r.met() {
		return errors.New("a limit is not kept: see the table")
	}
	return nil
}

// save writes the page to a file, or to stdout if none is named.
func save(r report, file string, stdout io.Writer) error {
	if file == "" {
		return r.write(stdout)
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := errors.Join(r.write(f), f.Close()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// measure builds the peers, generates the repositories in a scratch folder and runs all scenarios.
func measure(ctx context.Context, o options, lcm string, progress io.Writer) (report, error) {
	scratch, err := os.MkdirTemp("", "lcm-bench-")
	if err != nil {
		return report{}, fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()

	b := bench{
		tools:   tools{lcm: lcm},
		small:   repository{root: filepath.Join(scratch, "small"), tenants: o.small / addressesPerTenant()},
		large:   repository{root: filepath.Join(scratch, "large"), tenants: o.large / addressesPerTenant()},
		huge:    repository{root: filepath.Join(scratch, "huge"), tenants: o.huge / addressesPerTenant()},
		turns:   o.turns,
		schemas: filepath.Join(scratch, "schemas"),
	}
	for name, to := range map[string]*string{"sops": &b.sops, "cue": &b.cue, "gitleaks": &b.gitleaks} {
		if *to, err = output(ctx, command{argv: []string{o.build, name}, env: os.Environ()}); err != nil {
			return report{}, err
		}
	}
	for _, r := range []repository{b.small, b.large, b.huge} {
		if r.tenants == 0 {
			continue
		}
		say(progress, "generating %d addresses", r.addresses())
		if err := generateApart(ctx, r, lcm); err != nil {
			return report{}, err
		}
	}
	if err := b.writeSchemas(); err != nil {
		return report{}, err
	}
	page := report{notes: b.notes()}
	if page.machine, err = describe(ctx, b.tools, time.Now()); err != nil {
		return report{}, err
	}
	for _, s := range []struct {
		name string
		run  func(context.Context) ([]comparison, error)
	}{{"get", b.get}, {"set", b.set}} {
		say(progress, "%s, %d turns", s.name, o.turns)
		found, err := s.run(ctx)
		if err != nil {
			return report{}, err
		}
		page.comparisons = append(page.comparisons, found...)
	}
	say(progress, "validate, %d turns", validateTurns)
	c, m, err := b.validate(ctx)
	if err != nil {
		return report{}, err
	}
	page.comparisons = append(page.comparisons, c)
	page.memory = append(page.memory, m)
	say(progress, "validate again, %d turns", validateTurns)
	if c, _, err = b.again(ctx, b.large, 300e6); err != nil {
		return report{}, err
	}
	page.comparisons = append(page.comparisons, c)
	say(progress, "look for secrets")
	found, err := b.leaks(ctx)
	if err != nil {
		return report{}, err
	}
	page.comparisons = append(page.comparisons, found...)
	if found, err = b.below(ctx); err != nil {
		return report{}, err
	}
	page.comparisons = append(page.comparisons, found...)
	return page, b.addHuge(ctx, &page, progress)
}

// addHuge adds the lines of the third repository, if there is one.
func (b bench) addHuge(ctx context.Context, page *report, progress io.Writer) error {
	if b.huge.tenants == 0 {
		return nil
	}
	say(progress, "get and validate in %d addresses", b.huge.addresses())
	c, err := b.far(ctx)
	if err != nil {
		return err
	}
	page.comparisons = append(page.comparisons, c)
	c, m, err := b.again(ctx, b.huge, 1e9)
	if err != nil {
		return err
	}
	page.comparisons = append(page.comparisons, c)
	page.memory = append(page.memory, m)
	return nil
}

// generateApart generates in a process of its own: a child inherits its parent's peak memory until it execs, and what the
// kernel then reports for it would be ours.
func generateApart(ctx context.Context, r repository, lcm string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-generate", r.root, "-tenants", strconv.Itoa(r.tenants), "-lcm", lcm)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("generate %d addresses: %w\n%s", r.addresses(), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (b bench) writeSchemas() error {
	sources, err := builtin()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.schemas, 0o755); err != nil {
		return fmt.Errorf("make folder for schemas: %w", err)
	}
	for _, s := range sources {
		if err := os.WriteFile(filepath.Join(b.schemas, s.File), s.Data, 0o644); err != nil {
			return fmt.Errorf("write schema: %w", err)
		}
	}
	return nil
}

func (b bench) notes() []string {
	return []string{
		fmt.Sprintf("The repositories have %d and %d tenants, each with %d namespaces of four built-in modules in %d environments. Each address resolves from the schema's defaults and two to six layer files; four of five environment layers hold one or two secrets, encrypted to the platform's age key and to one of the tenant's.",
			b.small.tenants, b.large.tenants, len(namespaces), len(environments)),
		fmt.Sprintf("`get` and `set` run %d times per contender, `validate` %d times, after one run that does not count. Files are in the page cache; nothing that lcm keeps between runs is there for `validate`.", b.turns, validateTurns),
		"`gitleaks` is 8.30.1. It has the same rules, of which `lcm` tries the costly ones on fewer lines; it does not know ciphertext from secrets, and no schemas. The file is edited and staged outside of the times.",
		"`git commit` is given the changed file by name and signs with the same SSH key as `lcm set`. The edit itself is not in its time; checking the result against the schema is in that of `lcm set`.",
		fmt.Sprintf("The shell loop checks each file for itself, as those tools know of no layers: `sops decrypt FILE | cue vet -d '#Config' SCHEMA yaml: -`, without sops where the file has no secret. It runs over %d files, and its time is **extrapolated** to %d. `lcm validate` resolves all addresses, and checks layers, schemas, recipients and MACs with the same key.", sampleSize, b.large.addresses()),
		"Memory is the peak resident set that the kernel reports for the process (`wait4`).",
	}
}

func say(w io.Writer, format string, a ...any) { fmt.Fprintf(w, "bench: "+format+"\n", a...) }
