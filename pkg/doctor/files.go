package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Attributes examines whether .gitattributes names the files that Git calls lcm for.
func Attributes(ctx context.Context, repo *gitrepo.Repo, s *workspace.Snapshot) Check {
	now, err := read(ctx, s, scaffold.AttributesFile)
	if err != nil {
		return failed("git-calls-lcm", "attributes", Wrong, err)
	}
	want := scaffold.Attributes(now)
	if bytes.Equal(now, want) {
		return ok("git-calls-lcm", "attributes", "%s names the files that Git calls lcm for", scaffold.AttributesFile)
	}
	return Check{
		Area: "git-calls-lcm", Name: "attributes", Status: Wrong,
		Message: scaffold.AttributesFile + " does not name the files that Git calls lcm for",
		Hint:    "let lcm add it, in a commit: lcm init",
		Remedy:  "add the lines to " + scaffold.AttributesFile + ", for you to commit", Fix: write(repo, scaffold.AttributesFile, now, want),
	}
}

// Sops examines whether .sops.yaml says what the tenants' own files say.
func Sops(ctx context.Context, repo *gitrepo.Repo, s *workspace.Snapshot) Check {
	found, err := s.SopsDrift(ctx)
	if err != nil {
		return failed("repository", "sops-file", Wrong, err)
	}
	if len(found) == 0 {
		if c, missing := noSops(ctx, repo, s); missing {
			return c
		}
		return ok("repository", "sops-file", "%s says what the tenants' files say", scaffold.SopsFile)
	}
	c := Check{Area: "repository", Name: "sops-file", Status: Wrong, Message: found[0].String(), Hint: found[0].Hint}
	if len(found) > 1 {
		c.Message += fmt.Sprintf(", and %d more like it", len(found)-1)
	}
	now, err := read(ctx, s, scaffold.SopsFile)
	if err != nil {
		return c
	}
	if want, err := scaffold.SopsOf(ctx, s); err == nil && !bytes.Equal(now, want) {
		c.Remedy = "write " + scaffold.SopsFile + " anew, for you to commit"
		c.Fix = write(repo, scaffold.SopsFile, now, want)
	}
	return c
}

// noSops reports whether there is no .sops.yaml, though there is somebody to encrypt to.
func noSops(ctx context.Context, repo *gitrepo.Repo, s *workspace.Snapshot) (Check, bool) {
	now, err := read(ctx, s, scaffold.SopsFile)
	if err != nil || now != nil {
		return Check{}, false
	}
	names, err := s.Tenants(ctx)
	if err != nil || !slices.ContainsFunc(names, func(name string) bool {
		t, err := s.Tenant(ctx, name)
		return err == nil && len(t.Recipients) > 0
	}) {
		return Check{}, false
	}
	c := Check{
		Area: "repository", Name: "sops-file", Status: Warning,
		Message: scaffold.SopsFile + " is missing: the sops CLI does not know to whom it is to encrypt",
		Hint:    "restore it from Git, or write it anew: lcm doctor --fix",
	}
	if want, err := scaffold.SopsOf(ctx, s); err == nil {
		c.Remedy = "write " + scaffold.SopsFile + " anew, for you to commit"
		c.Fix = write(repo, scaffold.SopsFile, nil, want)
	}
	return c, true
}

func read(ctx context.Context, s *workspace.Snapshot, file string) ([]byte, error) {
	data, err := s.ReadFile(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// write gives the remedy that replaces a file, as long as it is still what was read.
func write(repo *gitrepo.Repo, file string, was, want []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		return repo.WriteFiles(ctx, map[string][]byte{file: want}, gitrepo.Expect(map[string][]byte{file: was}))
	}
}

// Lock examines whether this lcm has what the repository is held to.
func Lock(ctx context.Context, s *workspace.Snapshot, version string) []Check {
	found, err := s.LockFindings(ctx)
	if err != nil {
		return []Check{failed("versions", "lock", Wrong, err)}
	}
	if len(found) == 0 {
		return []Check{ok("versions", "lock", "lcm %s has all that %s names", version, workspace.LockFile)}
	}
	var checks []Check
	for _, f := range found {
		status := Wrong
		if f.Severity == diag.Warning {
			status = Warning
		}
		checks = append(checks, Check{Area: "versions", Name: "lock", Status: status, Message: f.String(), Hint: f.Hint})
	}
	return checks
}

// leastSops is the oldest version that opens and keeps what lcm writes: it knows mac_only_encrypted.
const leastSops = "3.9.0"

// SopsCLI examines the sops CLI, where there is one: lcm needs none.
func SopsCLI(ctx context.Context) Check {
	path, err := exec.LookPath("sops")
	if err != nil {
		return Check{Area: "versions", Name: "sops-cli", Status: OK, Message: "there is no sops CLI, and lcm needs none"}
	}
	cmd := exec.CommandContext(ctx, path, "--version", "--disable-version-check") //nolint:gosec // the user's own sops
	out, err := cmd.Output()
	if err != nil {
		return failed("versions", "sops-cli", Warning, fmt.Errorf("ask sops for its version: %w", err))
	}
	fields := strings.Fields(string(out)) // sops 3.13.3 (latest)
	if len(fields) < 2 {
		return failed("versions", "sops-cli", Warning, fmt.Errorf("ask sops for its version: it says %q", strings.TrimSpace(string(out))))
	}
	if !atLeast(fields[1], leastSops) {
		return Check{
			Area: "versions", Name: "sops-cli", Status: Wrong,
			Message: fmt.Sprintf("sops %s is older than %s: it cannot check what lcm writes", fields[1], leastSops),
			Hint:    "install a newer one, or none: lcm needs none",
		}
	}
	return ok("versions", "sops-cli", "sops %s", fields[1])
}
