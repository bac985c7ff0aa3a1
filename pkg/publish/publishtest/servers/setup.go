//go:build integration

package servers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/objstore"
	"github.com/llm-devops/lcm/pkg/publish/vault"
	"github.com/llm-devops/lcm/pkg/secret"
)

// MakeBucket makes a bucket, which versitygw keeps as a directory.
func (s *S3) MakeBucket(tb testing.TB, name string) {
	tb.Helper()
	if err := os.Mkdir(filepath.Join(s.data, name), 0o700); err != nil {
		tb.Fatalf("make bucket %s: %v", name, err)
	}
}

// Open gives a store in a bucket.
func (s *S3) Open(tb testing.TB, bucket string) publish.Store {
	tb.Helper()
	store, err := objstore.Open(objstore.Options{
		Endpoint: s.Endpoint, Bucket: bucket, Region: "us-east-1", AccessKey: s.AccessKey, SecretKey: secret.New(s.SecretKey),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// Do sends a request with root's rights, for setting things up and for looking at them as any client would, and gives the
// answer. An answer other than success fails the test.
func (v *Vault) Do(tb testing.TB, method, path string, body map[string]any) map[string]any {
	tb.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, v.Address+"/v1/"+path, bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", v.RootToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode >= http.StatusBadRequest {
		tb.Fatalf("%s %s: status %d, %v, %v", method, path, resp.StatusCode, answer["errors"], err)
	}
	return answer
}

// Open gives the store at a mount for a token.
func (v *Vault) Open(tb testing.TB, mount, token string) *vault.Store {
	tb.Helper()
	store, err := vault.Open(vault.Options{Address: v.Address, Mount: mount, Auth: vault.Auth{Token: secret.New(token)}})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// Mount enables a KV engine.
func (v *Vault) Mount(tb testing.TB, path, version string) {
	tb.Helper()
	v.Do(tb, http.MethodPost, "sys/mounts/"+path, map[string]any{"type": "kv", "options": map[string]string{"version": version}})
}

// Token gives a token that has one policy, which is written first.
func (v *Vault) Token(tb testing.TB, name, policy string) string {
	tb.Helper()
	v.Do(tb, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": policy})
	made := v.Do(tb, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{name}})
	auth, _ := made["auth"].(map[string]any)
	token, _ := auth["client_token"].(string)
	if token == "" {
		tb.Fatal("no token in the answer")
	}
	return token
}

// lockedBuffer takes a server's output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
