package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// describe says where and with what the figures were made.
func describe(ctx context.Context, t tools, now time.Time) ([]fact, error) {
	facts := []fact{
		{"date", now.UTC().Format(time.DateOnly)},
		{"machine", machine()},
	}
	for _, v := range []struct {
		name string
		argv []string
	}{
		{"lcm", []string{t.lcm, "version"}},
		{"sops", []string{t.sops, "--version", "--disable-version-check"}},
		{"cue", []string{t.cue, "version"}},
		{"git", []string{"git", "--version"}},
	} {
		out, err := output(ctx, command{argv: v.argv, env: os.Environ()})
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(out, "\n")
		facts = append(facts, fact{v.name, first})
	}
	return append(facts, fact{"go", runtime.Version()}), nil
}

// machine gives processor, cores, memory and system as far as they can be had.
func machine() string {
	parts := []string{fmt.Sprintf("%d cores", runtime.NumCPU()), runtime.GOOS + "/" + runtime.GOARCH}
	if model := procField("/proc/cpuinfo", "model name"); model != "" {
		parts[0] = model + ", " + parts[0]
	}
	var kilobytes int64
	if _, err := fmt.Sscanf(procField("/proc/meminfo", "MemTotal"), "%d kB", &kilobytes); err == nil {
		parts = append(parts, fmt.Sprintf("%.1f GB memory", float64(kilobytes)/1e6))
	}
	if release := procField("/etc/os-release", "PRETTY_NAME"); release != "" {
		parts = append(parts, strings.Trim(release, `"`))
	}
	return strings.Join(parts, ", ")
}

// procField gives the value of the first "name: value" or "name=value" line of a file, "" where there is none.
func procField(file, name string) string {
	src, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(src), "\n") {
		rest, ok := strings.CutPrefix(line, name)
		if rest = strings.TrimLeft(rest, " \t"); ok && rest != "" && (rest[0] == ':' || rest[0] == '=') {
			return strings.TrimSpace(rest[1:])
		}
	}
	return ""
}
