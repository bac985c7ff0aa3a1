package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// remoteTime is how long lcm-remote may take to say its version.
const remoteTime = 10 * time.Second

// Remote examines lcm-remote, which targets over a network take: that it is there, and of the same version as lcm. program is where it
// was found, notFound why it was not, and targets are those of lcm.yaml that take it.
func Remote(ctx context.Context, program string, notFound error, version string, targets []string) Check {
	const area, name, install = "versions", "lcm-remote", "install it beside lcm, in the same version: go install github.com/llm-devops/lcm/cmd/lcm-remote@"
	switch {
	case notFound != nil && len(targets) == 0:
		return ok(area, name, "there is no lcm-remote, and no target of lcm.yaml takes it")
	case notFound != nil:
		c := failed(area, name, Warning, fmt.Errorf("lcm publish --to %s takes the program lcm-remote: %w", targets[0], notFound))
		c.Hint = install + "latest"
		return c
	}
	its, err := remoteVersion(ctx, program)
	if err != nil {
		c := failed(area, name, Wrong, fmt.Errorf("ask %s for its version: %w", program, err))
		c.Hint = install + "latest"
		return c
	}
	if its != version {
		return Check{
			Area: area, Name: name, Status: Wrong, Message: fmt.Sprintf("lcm is %s, and %s is %s: lcm publish over a network refuses to go on", version, program, its),
			Hint: "install both in the same version",
		}
	}
	return ok(area, name, "lcm-remote is of the same version: %s", program)
}

func remoteVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "version", "-o", "json").Output() //nolint:gosec // where lcm itself looks for it
	if err != nil {
		return "", err
	}
	var said struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(out, &said); err != nil || said.Kind != "Version" || strings.TrimSpace(said.Version) == "" {
		return "", errors.New("what it says is no version")
	}
	return said.Version, nil
}
