package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// SopsOf gives the .sops.yaml of a snapshot: its tenants, and the secret names of its modules.
func SopsOf(ctx context.Context, s *workspace.Snapshot) ([]byte, error) {
	names, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var tenants []*workspace.Tenant
	for _, name := range names {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, t)
	}
	set, err := s.Schemas(ctx)
	if err != nil {
		return nil, err
	}
	var secrets []string
	for _, name := range set.Names() {
		m, err := set.Module(name)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, m.SecretNames()...)
	}
	existing, err := s.ReadFile(ctx, SopsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", SopsFile, err)
	}
	return Sops(existing, tenants, secrets)
}

// GenerateSSHKey makes an Ed25519 key pair at path and path.pub with ssh-keygen, without a passphrase, readable by its owner
// only. It never replaces a file.
func GenerateSSHKey(ctx context.Context, path, comment string) error {
	for _, p := range []string{path, path + ".pub"} {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("generate a signing key: %s exists already", p)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("generate a signing key: %w", err)
	}
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path) //nolint:gosec // the path is the user's own
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return diag.WithHint(fmt.Errorf("generate a signing key: %w", err), "install OpenSSH")
		}
		return fmt.Errorf("generate a signing key: ssh-keygen: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}
