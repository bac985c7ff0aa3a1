package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/doctor"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type doctorOptions struct {
	format option.Format
	fix    bool
}

func newDoctor(e *env) *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong around lcm: Git, signing, keys, hooks, permissions, clock, versions",
		Long: `Find out whether all that lcm depends on is as it should be here, and say what to do where it is not: the version of Git; whether
commits can be signed, which it tries, and whether your key is an allowed one; which identities are found, and for which tenants'
secrets they are; what Git calls lcm for (drivers, attributes, the hook pre-commit); the permissions of private keys and of the
access log, and whether that is as lcm left it; the clock, against the newest commit; what lcm.lock holds the repository to; whether
lcm-remote is there and of the same version; the sops CLI, if there is one.

It asks no network and opens no secret. With --fix it does what cannot hurt: it tells this clone's Git to call lcm, takes away others'
permissions on private files, and writes .gitattributes and .sops.yaml anew, for you to look at and commit. What lcm doctor says
without --fix is what it would do.

The exit code is 3 if something is wrong; what is only doubtful does not count.`,
		Example: "  lcm doctor\n  lcm doctor --fix\n  lcm doctor -o json",
		Args:    args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runDoctor(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().BoolVar(&o.fix, "fix", false, "do what cannot hurt about what is wrong")
	return cmd
}

func runDoctor(ctx context.Context, e *env, o *doctorOptions) error {
	checks, err := e.examine(ctx)
	if err != nil {
		return err
	}
	if o.fix {
		if checks, err = e.mend(ctx, checks); err != nil {
			return err
		}
	}
	report := display.Doctor{Checks: checks, Wrong: doctor.Wrongs(checks)}
	if o.format.JSON() {
		err = display.JSON(e.IO.Out, "Doctor", report)
	} else {
		err = display.DoctorText(e.IO, report)
	}
	if err == nil && report.Wrong > 0 {
		err = &silentError{code: exitFindings}
	}
	return err
}

// mend does what cannot hurt about what is wrong, and examines everything again, as one thing may have been another's cause.
func (e *env) mend(ctx context.Context, checks []doctor.Check) ([]doctor.Check, error) {
	var done []doctor.Check
	failed := map[string]string{}
	for _, c := range checks {
		if c.Status == doctor.OK || c.Fix == nil {
			continue
		}
		if err := c.Fix(ctx); err != nil {
			failed[c.Name] = err.Error()
			continue
		}
		c.Fixed, c.Status = true, doctor.OK
		done = append(done, c)
	}
	if len(done)+len(failed) == 0 {
		return checks, nil
	}
	e.keyring().Forget() // it remembers the permissions
	again, err := e.examine(ctx)
	if err != nil {
		return nil, err
	}
	for i, c := range again {
		if why, tried := failed[c.Name]; tried && c.Status != doctor.OK {
			again[i].Message += " (" + c.Remedy + " failed: " + why + ")"
		}
	}
	again = slices.DeleteFunc(again, func(c doctor.Check) bool { // told already
		return c.Status == doctor.OK && slices.ContainsFunc(done, func(d doctor.Check) bool { return d.Name == c.Name })
	})
	return append(done, again...), nil
}

// signingTime is how long an attempt to sign may take: somebody may have to touch a token.
const signingTime = time.Minute

// examine makes all checks that can be made here.
func (e *env) examine(ctx context.Context) ([]doctor.Check, error) {
	checks := []doctor.Check{doctor.Git(ctx)}
	if checks[0].Status != doctor.OK {
		return checks, nil
	}
	w, err := e.workspace(ctx)
	if err != nil {
		checks = append(checks, doctor.Failed("repository", "repository", err))
		checks = append(checks, doctor.Keys(ctx, e.keyring(), nil)...)
		return append(checks, doctor.SopsCLI(ctx)), ctx.Err()
	}
	s := w.Worktree()
	_, settingsErr := s.Settings(ctx)
	checks = append(checks, doctor.Repository(ctx, w.Repo()))
	if settingsErr != nil {
		checks = append(checks, doctor.Failed("repository", "settings", settingsErr))
		s = nil
	}
	trying, cancel := context.WithTimeout(ctx, signingTime)
	checks = append(checks, doctor.Signing(trying, w.Repo(), signersAtHead(ctx, w), workspace.SignersFile)...)
	cancel()
	checks = append(checks, doctor.Keys(ctx, e.keyring(), s)...)
	if s != nil {
		checks = append(checks, gitCalls(ctx, w)...)
		checks = append(checks, doctor.Attributes(ctx, w.Repo(), s), doctor.Sops(ctx, w.Repo(), s))
	}
	checks = append(checks, accessPermissions(w.Repo())...)
	checks = append(checks, accessChain(ctx, w))
	if rev, _, unborn, err := w.Repo().Head(ctx); err == nil && !unborn {
		if c, err := w.Repo().Log(ctx, rev); err == nil {
			checks = append(checks, doctor.Clock(e.now(), c.Committed))
		}
	}
	if s != nil {
		checks = append(checks, doctor.Lock(ctx, s, e.version())...)
		checks = append(checks, e.examineRemote(ctx, s))
	}
	return append(checks, doctor.SopsCLI(ctx)), ctx.Err()
}

// examineRemote examines the program that targets over a network take.
func (e *env) examineRemote(ctx context.Context, s *workspace.Snapshot) doctor.Check {
	var targets []string
	if settings, err := s.Settings(ctx); err == nil {
		for _, name := range settings.TargetNames() {
			if t, ok := settings.Target(name); ok && isRemote(t) {
				targets = append(targets, name)
			}
		}
	}
	program, err := findRemote()
	return doctor.Remote(ctx, program, err, e.version(), targets)
}

// signersAtHead gives the signers that are allowed at HEAD, nil if none are.
func signersAtHead(ctx context.Context, w *workspace.Workspace) []byte {
	head, err := w.At(ctx, "HEAD")
	if err != nil {
		return nil
	}
	signers, err := head.ReadFile(ctx, workspace.SignersFile)
	if err != nil {
		return nil
	}
	return signers
}

// gitCalls examines whether this clone's Git was told to call lcm.
func gitCalls(ctx context.Context, w *workspace.Workspace) []doctor.Check {
	const area, hint = "git-calls-lcm", "lcm hooks install"
	var checks []doctor.Check
	missing, err := installDrivers(ctx, w.Repo(), true)
	switch {
	case err != nil:
		checks = append(checks, doctor.Failed(area, "drivers", err))
	case len(missing) == 0:
		checks = append(checks, doctor.Check{Area: area, Name: "drivers", Status: doctor.OK, Message: "Git merges configuration by key, and shows it readable"})
	default:
		checks = append(checks, doctor.Check{
			Area: area, Name: "drivers", Status: doctor.Wrong, Message: missing[0].Key + " is not set in this clone: Git does not call lcm", Hint: hint,
			Remedy: hint + " --no-pre-commit",
			Fix: func(ctx context.Context) error {
				_, err := installDrivers(ctx, w.Repo(), false)
				return err
			},
		})
	}
	return append(checks, hookCalls(ctx, w, preCommit, "what is staged", "each commit"),
		hookCalls(ctx, w, preMergeCommit, "what a merge without conflicts comes to", "it is committed"))
}

// hookCalls examines whether one of Git's hooks calls lcm.
func hookCalls(ctx context.Context, w *workspace.Workspace, name, what, before string) doctor.Check {
	const area, hint = "git-calls-lcm", "lcm hooks install"
	hook, err := installHook(ctx, w, name, true)
	if err != nil {
		return doctor.Failed(area, name, err)
	}
	c := doctor.Check{Area: area, Name: name, Status: doctor.Warning, Hint: hint, Message: "nothing checks " + what + " before " + before}
	switch hook.State {
	case display.HookPresent:
		return doctor.Check{Area: area, Name: name, Status: doctor.OK, Message: what + " is checked before " + before}
	case display.HookManual:
		c.Message += "; the hook is not lcm's to write: " + hook.Why
	default:
		c.Remedy = hint
		c.Fix = func(ctx context.Context) error {
			_, err := installHook(ctx, w, name, false)
			return err
		}
	}
	return c
}

// accessChain verifies the access log as lcm audit access does.
func accessChain(ctx context.Context, w *workspace.Workspace) doctor.Check {
	const area, name, hint = "access-log", "access-log-chain", "lcm audit access"
	r, err := accessLog(w).Read(ctx)
	switch {
	case err != nil:
		return doctor.Failed(area, name, err)
	case len(r.Findings) > 0:
		f := r.Findings[0]
		message := "the access log is not as lcm left it: " + f.Message
		if f.Position.Line > 0 {
			message = fmt.Sprintf("the access log is not as lcm left it: line %d: %s", f.Position.Line, f.Message)
		}
		return doctor.Check{Area: area, Name: name, Status: doctor.Wrong, Message: message, Hint: hint}
	case len(r.Entries) == 0:
		return doctor.Check{Area: area, Name: name, Status: doctor.OK, Message: "the access log has no entry"}
	}
	return doctor.Check{Area: area, Name: name, Status: doctor.OK, Message: fmt.Sprintf("the access log is intact (entries: %d)", len(r.Entries))}
}

// accessPermissions examines who can read the access log.
func accessPermissions(repo *gitrepo.Repo) []doctor.Check {
	dir := filepath.Join(repo.CommonDir(), accessFolder)
	c, found := doctor.Private("access-log", "the folder of the access log", dir, 0o700)
	if !found {
		return nil
	}
	checks := []doctor.Check{c}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return append(checks, doctor.Failed("permissions", "access-log", fmt.Errorf("read the access log's folder: %w", err)))
	}
	for _, entry := range entries {
		c, found := doctor.Private("access-log", "the access log", filepath.Join(dir, entry.Name()), 0o600)
		if found && c.Status != doctor.OK && entry.Type().IsRegular() {
			checks = append(checks, c)
		}
	}
	return checks
}
