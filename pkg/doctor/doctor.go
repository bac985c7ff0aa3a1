// Package doctor examines what lcm depends on outside of the configuration: Git, signing, keys, what Git calls lcm for, the
// permissions of files, the clock, versions.
//
// Each examination gives a [Check]: what was looked at, how it is, and what to do. A check whose remedy cannot hurt has a
// remedy to call. Nothing here asks the network, and nothing opens a secret.
package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Status says how something is.
type Status string

// The statuses: as it should be, doubtful, wrong, and not looked at because something else is wrong.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Wrong   Status = "wrong"
	Skipped Status = "skipped"
)

// Check is the outcome of one examination.
type Check struct {
	Area    string `json:"area"` // "git", "signing", "keys", …
	Name    string `json:"name"` // stable, kebab-case, one outcome or more of each
	Status  Status `json:"status"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do
	// Remedy says what --fix does about it, "" if nothing; Fixed that it was done in this run.
	Remedy string `json:"remedy,omitempty"`
	Fixed  bool   `json:"fixed,omitempty"`

	Fix func(context.Context) error `json:"-"`
}

func ok(area, name, format string, args ...any) Check {
	return Check{Area: area, Name: name, Status: OK, Message: fmt.Sprintf(format, args...)}
}

// failed makes a check of an error, with the error's own hint.
func failed(area, name string, status Status, err error) Check {
	return Check{Area: area, Name: name, Status: status, Message: err.Error(), Hint: diag.HintOf(err)}
}

// Failed makes a check of what kept an examination from being made.
func Failed(area, name string, err error) Check { return failed(area, name, Wrong, err) }

// Private examines a file or folder that nobody but its owner may read.
func Private(name, what, path string, want os.FileMode) (Check, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return Check{}, false
	}
	if info.Mode().Perm()&0o077 == 0 {
		return ok("permissions", name, "%s is readable by you alone: %s", what, path), true
	}
	return Check{
		Area: "permissions", Name: name, Status: Wrong,
		Message: fmt.Sprintf("%s can be read by others (mode %04o): %s", what, info.Mode().Perm(), path),
		Hint:    fmt.Sprintf("chmod %o %s", want, path), Remedy: fmt.Sprintf("chmod %o %s", want, path),
		Fix: func(context.Context) error { return os.Chmod(path, want) },
	}, true
}

// Clock compares this machine's clock with the time of the newest commit.
func Clock(now, commit time.Time) Check {
	const slack = 2 * time.Minute
	if early := commit.Sub(now); early > slack {
		return Check{
			Area: "clock", Name: "clock", Status: Wrong,
			Message: fmt.Sprintf("the newest commit is of %s, and the clock here shows %s: %s earlier",
				commit.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), early.Round(time.Second)),
			Hint: "set the clock, or have it set from the network (NTP): signatures, rotation and the access log go by it; " +
				"if the clock is right, the commit's author has one that is wrong",
		}
	}
	return ok("clock", "clock", "the clock is not behind the newest commit (%s)", commit.UTC().Format(time.RFC3339))
}

// atLeast compares versions of numbers and dots; what follows those is not looked at.
func atLeast(version, least string) bool {
	number := func(parts []string, i int) int {
		n := 0
		if i < len(parts) {
			_, _ = fmt.Sscanf(parts[i], "%d", &n)
		}
		return n
	}
	a, b := strings.Split(version, "."), strings.Split(least, ".")
	for i := range 3 {
		if x, y := number(a, i), number(b, i); x != y {
			return x > y
		}
	}
	return true
}

// Wrongs counts the checks that say that something is wrong.
func Wrongs(checks []Check) int {
	n := 0
	for _, c := range checks {
		if c.Status == Wrong {
			n++
		}
	}
	return n
}
