//go:build integration

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/publish/publishtest/servers"
)

// TestIntegration runs testdata/script-integration against a real Vault, a real S3 server and the sops CLI.
func TestIntegration(t *testing.T) {
	tool := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "sh", "../../testdata/tools/build.sh", name).Output()
		if err != nil {
			t.Fatalf("build %s: %v", name, err)
		}
		return strings.TrimSpace(string(out))
	}
	s3, vault := servers.StartS3(t), servers.StartVault(t)
	s3.MakeBucket(t, "lcm")
	runScripts(t, "script-integration", map[string]string{
		"SOPS": tool("sops"), "VAULT": tool("vault"),
		"S3_ENDPOINT": s3.Endpoint, "AWS_ACCESS_KEY_ID": s3.AccessKey, "AWS_SECRET_ACCESS_KEY": s3.SecretKey,
		"VAULT_ADDR": vault.Address, "VAULT_TOKEN": vault.RootToken,
	})
}
