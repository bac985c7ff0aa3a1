package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type initOptions struct {
	format       option.Format
	dir          string
	generateKeys bool
	dryRun       bool
	recipients   []string
	environments []string
}

func newInit(e *env) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Start a config repository, or make an existing Git repository one",
		Long: `Start a config repository: lcm.yaml, the platform's own tenant (global), .sops.yaml, and a first signed commit. An existing
Git repository becomes one, and running it again is harmless.

Changes are signed as your Git is configured to sign (gpg.format, user.signingkey), and secrets are encrypted to the age or SSH
keys that SOPS would find. --generate-keys makes what is missing of both: an SSH key for signing in ~/.ssh, an age identity in
the folder where SOPS looks.`,
		Example: `  lcm init platform --generate-keys
  cd existing-repository && lcm init
  lcm init platform --recipient age1… --environment dev --environment prod`,
		Args: args(0, 1, "at most one folder"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.dir = "."
			if len(a) > 0 {
				o.dir = a[0]
			}
			e.output(&o.format)
			return runInit(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.BoolVar(&o.generateKeys, "generate-keys", false, "make a signing key and an age identity where there is none")
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt the platform's secrets to `KEY`, a public key or its file (repeatable; default: your own)")
	f.StringArrayVar(&o.environments, "environment", []string{"development", "staging", "production"}, "an environment, in promotion `NAME` order (repeatable)")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be made, and write nothing")
	return cmd
}

func runInit(ctx context.Context, e *env, o *initOptions) error {
	for _, name := range o.environments {
		if err := address.CheckName("environment", name); err != nil {
			return usage(err, "for example --environment development --environment production")
		}
	}
	report := display.Init{DryRun: o.dryRun}
	repo, undo, err := o.open(ctx, e)
	if err != nil {
		return err
	}
	report.Created = repo == nil || undo != nil
	err = o.fill(ctx, e, repo, &report)
	if err != nil && undo != nil {
		undo() // a repository that could not get its first commit would only be in the way
	}
	if err != nil {
		return err
	}
	if !o.dryRun {
		if repo, err = gitrepo.Open(ctx, report.Root); err != nil {
			return err
		}
		if report.Set, err = installDrivers(ctx, repo, false); err != nil {
			return err
		}
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "Init", report)
	}
	return display.InitText(e.IO, report)
}

// fill finds or makes the keys, and commits the files.
func (o *initOptions) fill(ctx context.Context, e *env, repo *gitrepo.Repo, report *display.Init) error {
	if repo == nil { // a dry run on a folder that is no repository
		report.Root = e.path(o.dir)
		report.Files = []string{workspace.SettingsFile, scaffold.SopsFile, scaffold.AttributesFile, scaffold.IgnoreFile, workspace.TenantFile(address.Global), workspace.SignersFile, workspace.LockFile}
		return nil
	}
	report.Root = repo.Root()
	if err := repo.CheckSupported(ctx); err != nil {
		return err
	}
	// Identities are looked for before a signing key is made, which would count as one.
	own, err := e.keyring().Recipients(ctx)
	if err != nil {
		return err
	}
	if err := o.signing(ctx, e, repo, report); err != nil {
		return err
	}
	recipients, err := o.ownRecipients(e, own, report)
	if err != nil {
		return err
	}
	builtin, err := builtinSchemas()
	if err != nil {
		return err
	}
	library, err := builtinTemplates()
	if err != nil {
		return err
	}
	w := workspace.New(repo, workspace.Options{Keyring: e.keyring(), Builtin: builtin, Templates: library})
	return o.commit(ctx, e, w, recipients, report)
}

// open opens the repository at DIR, or makes it and gives the function that takes it away again. It gives nil for a dry run
// where there is none.
func (o *initOptions) open(ctx context.Context, e *env) (repo *gitrepo.Repo, undo func(), err error) {
	dir := e.path(o.dir)
	_, statErr := os.Stat(dir)
	if !o.dryRun {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a folder like git init makes it
			return nil, nil, fmt.Errorf("make %s: %w", dir, err)
		}
	}
	repo, err = gitrepo.Open(ctx, dir)
	switch {
	case err == nil:
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, nil, err
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		}
		if abs != repo.Root() && o.dir != "." {
			return nil, nil, diag.WithHint(fmt.Errorf("%s is inside the Git repository %s", dir, repo.Root()),
				"a config repository's files lie at its root: run lcm init there, or choose a folder outside")
		}
		return repo, nil, nil
	case !errors.Is(err, gitrepo.ErrNotRepository) && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	case o.dryRun:
		return nil, nil, nil
	}
	undo = func() {
		_ = os.RemoveAll(filepath.Join(dir, ".git"))
		if errors.Is(statErr, fs.ErrNotExist) {
			_ = os.Remove(dir) // only if nothing else is in it
		}
	}
	repo, err = gitrepo.Init(ctx, dir)
	return repo, undo, err
}

// signing sees to it that commits can be signed: as Git is configured, or with a key made for it.
func (o *initOptions) signing(ctx context.Context, e *env, repo *gitrepo.Repo, report *display.Init) error {
	setup, err := repo.Signing(ctx)
	if err != nil {
		return err
	}
	if setup.Name == "" || setup.Email == "" {
		return diag.WithHint(errors.New("Git does not know who you are"),
			`tell it: git config --global user.name "Your Name" && git config --global user.email you@example.com`)
	}
	if !setup.Usable && setup.Key == "" {
		key := filepath.Join(e.home(), ".ssh", "id_ed25519")
		_, statErr := os.Stat(key + ".pub")
		exists := statErr == nil
		if !o.generateKeys {
			if exists {
				return diag.WithHint(errors.New("Git is not set up to sign commits"),
					"sign with the SSH key you have: git config --global gpg.format ssh && git config --global user.signingkey %s.pub", key)
			}
			return diag.WithHint(errors.New("Git is not set up to sign commits"),
				"let lcm make a key: lcm init --generate-keys; or set gpg.format and user.signingkey yourself (git help config)")
		}
		report.SigningKey, report.SigningKeyMade = key+".pub", !exists
		if !o.dryRun {
			if !exists {
				if err := scaffold.GenerateSSHKey(ctx, key, setup.Email); err != nil {
					return err
				}
			}
			// In this repository only: how other repositories sign is not for us to change.
			for _, c := range [][2]string{{"gpg.format", "ssh"}, {"user.signingkey", key + ".pub"}} {
				if err := repo.SetConfig(ctx, c[0], c[1]); err != nil {
					return err
				}
			}
			if setup, err = repo.Signing(ctx); err != nil {
				return err
			}
		}
	} else {
		report.SigningKey = setup.Key
	}
	if o.dryRun && !setup.Usable {
		return nil
	}
	if !setup.Usable {
		return diag.WithHint(errors.New("Git is not set up to sign: "+setup.Problem), "%s", setup.Hint)
	}
	if report.Signer, err = repo.SignerLine(ctx, setup); err != nil {
		return err
	}
	known, err := repo.Config(ctx, "gpg.ssh.allowedSignersFile")
	if err != nil {
		return err
	}
	if setup.Format == "ssh" && known == "" && !o.dryRun {
		// So that git log --show-signature knows the signers too.
		return repo.SetConfig(ctx, "gpg.ssh.allowedSignersFile", filepath.Join(repo.Root(), filepath.FromSlash(workspace.SignersFile)))
	}
	return nil
}

// ownRecipients gives to whom the platform's secrets are encrypted: as asked, or to the user.
func (o *initOptions) ownRecipients(e *env, own []string, report *display.Init) ([]workspace.Recipient, error) {
	if len(o.recipients) > 0 {
		return parseRecipients(e, o.recipients)
	}
	slices.SortStableFunc(own, func(a, b string) int { // a key of its own for secrets is better than one that also logs in
		return strings.Compare(keyKind(a), keyKind(b))
	})
	name := e.Getenv("USER")
	if len(own) == 0 {
		if !o.generateKeys {
			return nil, diag.WithHint(errors.New("no age or SSH identity was found to open secrets with"),
				"let lcm make one: lcm init --generate-keys; or name public keys: --recipient age1…")
		}
		file := e.keyring().DefaultIdentityFile()
		report.IdentityFile, report.IdentityMade = file, true
		if o.dryRun {
			return nil, nil
		}
		identity, recipient, err := seal.GenerateIdentity()
		if err != nil {
			return nil, err
		}
		if err := seal.SaveIdentity(file, identity, recipient, e.now()); err != nil {
			return nil, err
		}
		e.keys = nil // look again: there is one now
		own = []string{recipient}
	}
	report.Recipients = own[:1]
	return []workspace.Recipient{{Name: name, Key: own[0]}}, nil
}

// keyKind gives what kind of public key it is, in an order in which age's own come first.
func keyKind(key string) string {
	kind, _, isSSH := strings.Cut(key, " ")
	if !isSSH {
		return ""
	}
	return kind
}

// parseRecipients reads public keys as they are given on the command line: the key itself or a file that holds it.
func parseRecipients(e *env, texts []string) ([]workspace.Recipient, error) {
	var out []workspace.Recipient
	for _, text := range texts {
		key := text
		if !strings.HasPrefix(text, "age1") && !strings.Contains(text, " ") {
			if data, err := os.ReadFile(e.path(text)); err == nil {
				key = strings.TrimSpace(string(data))
			}
		}
		if strings.Contains(key, "AGE-SECRET-KEY-") || strings.Contains(key, "PRIVATE KEY") {
			return nil, usage(errors.New("--recipient was given a private key"), "a recipient is a public key: age1…, or the .pub file of an SSH key; age-keygen -y prints it")
		}
		r, err := seal.ParseRecipient(key)
		if err != nil {
			return nil, usage(err, "a recipient is a public key: age1…, ssh-ed25519 …, or the .pub file of an SSH key")
		}
		name := ""
		if fields := strings.Fields(key); len(fields) > 2 {
			name = strings.Join(fields[2:], " ")
		}
		if slices.ContainsFunc(out, func(x workspace.Recipient) bool { return x.Key == r.String() }) {
			continue
		}
		out = append(out, workspace.Recipient{Name: name, Key: r.String()})
	}
	return out, nil
}

// commit makes the files that are missing, in the first signed commit or one on top.
func (o *initOptions) commit(ctx context.Context, e *env, w *workspace.Workspace, recipients []workspace.Recipient, report *display.Init) error {
	if err := e.recover(ctx, w); err != nil {
		return err
	}
	base := w.Worktree()
	head, _, unborn, err := w.Repo().Head(ctx)
	if err != nil {
		return err
	}
	if !unborn {
		if base, err = w.At(ctx, head.String()); err != nil {
			return err
		}
	}
	files, err := o.files(ctx, w, base, recipients, report.Signer)
	if err != nil {
		return err
	}
	if tenants, err := base.Tenants(ctx); err == nil {
		report.HasTenants = slices.ContainsFunc(tenants, func(t string) bool { return t != address.Global })
	}
	request := change.Request{Kind: "init", Subject: "start the config repository", Files: files, Now: e.now()}
	if _, err := base.ReadFile(ctx, workspace.SettingsFile); err == nil {
		request.Subject = "complete the config repository's own files"
	}
	plan, err := change.Prepare(ctx, w, base, request)
	if err != nil {
		return err
	}
	for file := range plan.Files {
		report.Files = append(report.Files, file)
	}
	slices.Sort(report.Files)
	if !slices.Contains(report.Files, workspace.TenantFile(address.Global)) {
		report.Recipients = nil // the platform's tenant has its own already
	}
	if plan.Empty() || o.dryRun {
		return nil
	}
	revision, err := plan.Commit(ctx)
	if err != nil {
		return err
	}
	report.Commit = revision.String()
	return nil
}

func (o *initOptions) files(ctx context.Context, w *workspace.Workspace, base *workspace.Snapshot, recipients []workspace.Recipient, signer string) (map[string][]byte, error) {
	files := map[string][]byte{}
	read := func(name string) ([]byte, error) {
		data, err := base.ReadFile(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return data, err
	}
	for name, complete := range map[string]func([]byte) ([]byte, error){
		workspace.SettingsFile: func(have []byte) ([]byte, error) {
			if have != nil {
				return have, nil
			}
			return scaffold.Settings(o.environments), nil
		},
		scaffold.AttributesFile: func(have []byte) ([]byte, error) { return scaffold.Attributes(have), nil },
		scaffold.IgnoreFile:     func(have []byte) ([]byte, error) { return scaffold.Ignore(have), nil },
		workspace.SignersFile: func(have []byte) ([]byte, error) {
			if have != nil || signer == "" {
				return have, nil
			}
			return scaffold.Signers(have, signer), nil
		},
		workspace.TenantFile(address.Global): func(have []byte) ([]byte, error) {
			if have != nil {
				return have, nil
			}
			return scaffold.Tenant(workspace.Tenant{Name: address.Global, Description: "the platform itself: its layers lie under every tenant's", Recipients: recipients})
		},
	} {
		have, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		want, err := complete(have)
		if err != nil {
			return nil, err
		}
		if want != nil && !bytes.Equal(have, want) {
			files[name] = want
		}
	}
	after := w.Overlay(base, files)
	drift, err := after.SopsDrift(ctx)
	if err != nil {
		return nil, err
	}
	if have, err := read(scaffold.SopsFile); err != nil {
		return nil, err
	} else if have == nil || len(drift) > 0 {
		if files[scaffold.SopsFile], err = scaffold.SopsOf(ctx, after); err != nil {
			return nil, err
		}
	}
	return files, addLock(ctx, w, base, files)
}

// addLock adds lcm.lock to the files of a change to what it must say afterwards.
func addLock(ctx context.Context, w *workspace.Workspace, base *workspace.Snapshot, files map[string][]byte) error {
	lock, err := w.Overlay(base, files).Locked(ctx)
	if err != nil {
		return err
	}
	have, err := base.ReadFile(ctx, workspace.LockFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", workspace.LockFile, err)
	}
	if want := lock.Bytes(); !bytes.Equal(have, want) {
		files[workspace.LockFile] = want
	}
	return nil
}
