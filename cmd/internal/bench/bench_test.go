package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
)

func runs(name string, walls ...time.Duration) series {
	s := series{name: name}
	for _, w := range walls {
		s.samples = append(s.samples, sample{wall: w, rss: int64(w)})
	}
	return s
}

func TestSeries(t *testing.T) {
	s := runs("x", 30, 10, 20, 40)
	if s.min() != 10 || s.median() != 30 || s.peak() != 40 {
		t.Errorf("min %d, median %d, peak %d; want 10, 30, 40", s.min(), s.median(), s.peak())
	}
}

func TestComparison(t *testing.T) {
	tests := []struct {
		name string
		c    comparison
		want float64
		met  bool
	}{
		{"kept", comparison{ours: runs("", 10, 90), theirs: runs("", 40, 30), limit: 0.5}, 1.0 / 3, true},
		{"not kept", comparison{ours: runs("", 20), theirs: runs("", 30), limit: 0.5}, 2.0 / 3, false},
		{"a sample", comparison{ours: runs("", 20), theirs: runs("", 10), scale: 100, limit: 0.02}, 0.02, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := tt.c.ratio()
			if d := got - tt.want; d > 1e-9 || d < -1e-9 || tt.c.met() != tt.met {
				t.Errorf("ratio %v, met %v; want %v, %v", got, tt.c.met(), tt.want, tt.met)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := report{
		machine: []fact{{"date", "2026-11-23"}},
		comparisons: []comparison{
			{what: "get", ours: runs("lcm", 9*time.Millisecond), theirs: runs("sops", 30*time.Millisecond), limit: 0.5, limitText: "0.5"},
			{what: "validate", ours: runs("lcm", 3*time.Second), theirs: runs("loop", 3*time.Second), scale: 110, limit: 0.02, limitText: "0.02", extrapolated: true},
		},
		memory: []memory{{"validate", 310e6, 300e6}},
		notes:  []string{"A note."},
	}
	var b strings.Builder
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| date | 2026-11-23 |",
		"| get | 9 ms / 9 ms | sops | 30 ms / 30 ms | 0.3 / 0.3 | 0.5 | yes |",
		"| validate | 3 s / 3 s | loop | ≈ 330 s / 330 s | 0.00909 / 0.00909 | 0.02 | yes |",
		"| validate | 310 MB | 300 MB | **no** |",
		"- A note.",
	} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("no line %q in:\n%s", line, b.String())
		}
	}
	if r.met() {
		t.Error("a report with a limit that is not kept counts as met")
	}
}

// TestLoop checks that the sample is of the size it is said to be and holds every namespace in every environment.
func TestLoop(t *testing.T) {
	for _, tenants := range []int{5, 330} {
		b := bench{tools: tools{sops: "sops", cue: "cue"}, schemas: "schemas", large: repository{tenants: tenants}}
		script := b.loop()
		if n := strings.Count(script, "cue vet"); n != sampleSize {
			t.Errorf("%d tenants: %d files, want %d", tenants, n, sampleSize)
		}
		for _, env := range environments {
			for _, ns := range namespaces {
				if file := "/" + env + "/" + ns.name + ".yaml"; !strings.Contains(script, file) {
					t.Errorf("%d tenants: no file %s", tenants, file)
				}
			}
		}
	}
}

func TestCompete(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	turnsSeen := 0
	slow := contender{name: "slow", next: func(_ context.Context, turn int) (command, error) {
		turnsSeen = turn
		return command{dir: dir, argv: []string{"/bin/sh", "-c", "sleep 0.05"}}, nil
	}}
	fast := contender{name: "fast", next: func(context.Context, int) (command, error) {
		return command{dir: dir, argv: []string{"/bin/sh", "-c", ":"}}, nil
	}}
	got, err := compete(t.Context(), 3, slow, fast)
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].samples) != 3 || turnsSeen != 3 {
		t.Errorf("%d samples after turn %d, want 3 and 3", len(got[0].samples), turnsSeen)
	}
	if got[0].min() < 50*time.Millisecond || got[1].min() >= got[0].min() {
		t.Errorf("slow %v, fast %v", got[0].min(), got[1].min())
	}
	if got[1].peak() <= 0 {
		t.Error("no peak memory")
	}

	failing := contender{name: "failing", next: func(context.Context, int) (command, error) {
		return command{dir: dir, argv: []string{"/bin/sh", "-c", "echo no such key >&2; exit 5"}}, nil
	}}
	if _, err := compete(t.Context(), 1, failing); err == nil || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("error %v, want the program's own message", err)
	}
}

// TestGeneratedLayers checks that the layers of a generated repository are files that the product reads, encrypted where
// they should be, and no two of them alike.
func TestGeneratedLayers(t *testing.T) {
	r := repository{root: t.TempDir(), tenants: 2}
	names, err := secretNames()
	if err != nil {
		t.Fatal(err)
	}
	platform, err := tenant("platform", nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for i := range r.tenants {
		w := writer{repository: r, names: names, now: time.Now(), number: i}
		if err := w.layers(t.Context(), "environment", tenantName(i), environments, platform.Keys()); err != nil {
			t.Fatal(err)
		}
		for _, env := range environments {
			for _, ns := range namespaces {
				a := address.Address{Tenant: tenantName(i), Environment: env, Namespace: ns.name}
				text := readFile(t, filepath.Join(r.dir(), a.File()))
				if n := strings.Count(text, "ENC[") - strings.Count(text, "mac: ENC["); n != len(ns.secrets) {
					t.Errorf("%s: %d secrets, want %d", a, n, len(ns.secrets))
				}
				if strings.Contains(text, "${") || strings.Contains(text, "demo-") {
					t.Errorf("%s: a placeholder or a plain secret is left:\n%s", a, text)
				}
				if other := seen[text]; other != "" {
					t.Errorf("%s and %s are the same", a, other)
				}
				seen[text] = a.String()
			}
		}
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}
