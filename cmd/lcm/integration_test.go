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
		"SOPS": build(t, "sops"), "PQ_IDENTITY": id.String(), "PQ_RECIPIENT": id.Recipient().String(),
	})
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
