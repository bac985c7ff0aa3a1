package release_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/release"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// repository is a Git repository whose commits are signed by named people.
type repository struct {
	t   *testing.T
	dir string
	ws  *workspace.Workspace
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	r := &repository{t: t, dir: t.TempDir()}
	r.run("git", "init", "-q", "-b", "main", r.dir)
	repo, err := gitrepo.Open(t.Context(), r.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.ws = workspace.New(repo, workspace.Options{Keyring: seal.NewKeyring(seal.KeyringOptions{Getenv: func(string) string { return "" }, Home: home, ConfigDir: home})})
	return r
}

func (r *repository) run(name string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), name, args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// signer gives the line of allowed_signers of a person, whose key is made when it is first asked for.
func (r *repository) signer(name string) (key, line string) {
	r.t.Helper()
	key = filepath.Join(os.Getenv("HOME"), name)
	if _, err := os.Stat(key); err != nil {
		r.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	}
	pub, err := os.ReadFile(key + ".pub")
	if err != nil {
		r.t.Fatal(err)
	}
	fields := strings.Fields(string(pub))
	return key, name + `@x namespaces="git" ` + fields[0] + " " + fields[1] + "\n"
}

// commit commits the signers, signed by a person, or not signed at all.
func (r *repository) commit(by string, signers ...string) {
	r.t.Helper()
	text := ""
	for _, s := range signers {
		_, line := r.signer(s)
		text += line
	}
	file := filepath.Join(r.dir, filepath.FromSlash(workspace.SignersFile))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.run("git", "add", ".")
	args := []string{"-c", "user.name=" + by, "-c", "user.email=" + by + "@x", "-c", "gpg.format=ssh"}
	if by == "nobody" {
		args = append(args, "commit", "-q", "--allow-empty", "-m", "x")
	} else {
		key, _ := r.signer(by)
		args = append(args, "-c", "user.signingkey="+key+".pub", "commit", "-q", "-S", "--allow-empty", "-m", "x")
	}
	r.run("git", args...)
}

func TestSigned(t *testing.T) {
	for _, tt := range []struct {
		name    string
		commits func(r *repository)
		refused string // "" for allowed
	}{
		{"the first signer", func(r *repository) { r.commit("ada", "ada") }, ""},
		{"a second, added by the first", func(r *repository) {
			r.commit("ada", "ada")
			r.commit("ada", "ada", "bob")
			r.commit("bob", "ada", "bob")
		}, ""},
		{"unsigned", func(r *repository) { r.commit("ada", "ada"); r.commit("nobody", "ada") }, "is not signed"},
		{"a stranger", func(r *repository) { r.commit("ada", "ada"); r.commit("mallory", "ada") }, "does not name"},
		{"who adds oneself", func(r *repository) { r.commit("ada", "ada"); r.commit("mallory", "ada", "mallory") }, "changed by someone it did not allow"},
		{"who was added by nobody", func(r *repository) {
			r.commit("ada", "ada")
			r.commit("nobody", "ada", "mallory")
			r.commit("mallory", "ada", "mallory")
		}, "changed by someone it did not allow"},
		{"who was taken out again", func(r *repository) {
			r.commit("ada", "ada", "bob")
			r.commit("ada", "ada")
			r.commit("bob", "ada")
		}, "does not name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepository(t)
			tt.commits(r)
			s, err := r.ws.At(t.Context(), "HEAD")
			if err != nil {
				t.Fatal(err)
			}
			_, err = release.Signed(t.Context(), r.ws, s)
			refused, ok := errors.AsType[*release.RefusedError](err)
			switch {
			case tt.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.refused != "" && (!ok || !strings.Contains(err.Error(), tt.refused)):
				t.Errorf("got %v (%v), want a refusal with %q", err, refused, tt.refused)
			}
		})
	}
}

func TestClean(t *testing.T) {
	r := newRepository(t)
	r.commit("ada", "ada")
	if err := release.Clean(t.Context(), r.ws.Repo()); err != nil {
		t.Errorf("a clean tree: %v", err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := release.Clean(t.Context(), r.ws.Repo())
	if _, ok := errors.AsType[*release.RefusedError](err); !ok || !strings.Contains(err.Error(), "new") {
		t.Errorf("a dirty tree: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := release.Clean(ctx, r.ws.Repo()); err == nil {
		t.Error("a cancelled look is no clean tree")
	}
}
