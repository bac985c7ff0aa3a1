//go:build integration

package main

import (
	"os/exec"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/llm-devops/lcm/pkg/publish/publishtest/servers"
)

// TestSops runs testdata/script-sops against the sops CLI alone.
func TestSops(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	runScripts(t, "script-sops", map[string]string{
		"SOPS": build(t, "sops"), "SOPS_312": build(t, "sops-3.12"), "SOPS_311": build(t, "sops-3.11"), "SOPS_SOURCE": sopsSource(t),
		"PQ_IDENTITY": id.String(), "PQ_RECIPIENT": id.Recipient().String(),
	})
}

// sopsSource is where the source of the sops CLI is, with its functional test files.
func sopsSource(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/getsops/sops/v3")
	cmd.Dir = "../../testdata/tools/sops"
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("find the source of sops: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func build(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "../../testdata/tools/build.sh", name).Output()
	if err != nil {
		t.Fatalf("build %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// TestIntegration runs testdata/script-integration against a real Vault, a real S3 server and the sops CLI.
func TestIntegration(t *testing.T) {
	s3, vault := servers.StartS3(t), servers.StartVault(t)
	s3.MakeBucket(t, "lcm")
	runScripts(t, "script-integration", map[string]string{
		"SOPS": build(t, "sops"), "VAULT": build(t, "vault"),
		"S3_ENDPOINT": s3.Endpoint, "AWS_ACCESS_KEY_ID": s3.AccessKey, "AWS_SECRET_ACCESS_KEY": s3.SecretKey,
		"VAULT_ADDR": vault.Address, "VAULT_TOKEN": vault.RootToken,
	})
}
