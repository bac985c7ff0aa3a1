//go:build integration

package vault_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
	"github.com/llm-devops/lcm/pkg/publish/publishtest/servers"
	"github.com/llm-devops/lcm/pkg/publish/vault"
	"github.com/llm-devops/lcm/pkg/secret"
)

func TestContract(t *testing.T) {
	v := servers.StartVault(t)
	mounts := 0
	publishtest.TestSecretStore(t, func(t *testing.T) func() publish.SecretStore {
		mounts++
		mount := fmt.Sprintf("kv%d", mounts)
		v.Mount(t, mount, "2")
		return func() publish.SecretStore { return v.Open(t, mount, v.RootToken) }
	})
}

func TestObjectsContract(t *testing.T) {
	v := servers.StartVault(t)
	mounts := 0
	publishtest.TestStore(t, func(t *testing.T) func() publish.Store {
		mounts++
		mount := fmt.Sprintf("objects%d", mounts)
		v.Mount(t, mount, "2")
		return func() publish.Store { return vault.Objects(v.Open(t, mount, v.RootToken)) }
	})
}

// A deleted object is absent, and can be written again.
func TestDeletedObject(t *testing.T) {
	v := servers.StartVault(t)
	s := vault.Objects(v.Open(t, "secret", v.RootToken))
	for _, text := range []string{"one", "two"} {
		tag, err := s.Replace(t.Context(), "p/current.json", []byte(text), "")
		if err != nil || tag == "" {
			t.Fatalf("write %s: %q, %v", text, tag, err)
		}
		got, same, err := s.Get(t.Context(), "p/current.json")
		if string(got) != text || same != tag || err != nil {
			t.Errorf("got %q, %q, %v", got, same, err)
		}
		v.Do(t, http.MethodDelete, "secret/data/p/current.json", nil)
		if _, _, err := s.Get(t.Context(), "p/current.json"); !errors.Is(err, publish.ErrNotExist) {
			t.Errorf("after delete: %v", err)
		}
	}
	v.Do(t, http.MethodPost, "secret/data/p/other.json", map[string]any{"data": map[string]any{"password": "s3cr3t"}})
	if data, _, err := s.Get(t.Context(), "p/other.json"); err == nil || errors.Is(err, publish.ErrNotExist) {
		t.Errorf("another's secret was read as an object: %q, %v", data, err)
	}
}

// Deleted and destroyed versions are gone for readers, and still count for the check-and-set.
func TestDeleted(t *testing.T) {
	v := servers.StartVault(t)
	s, path := v.Open(t, "secret", v.RootToken), "p/acme/production/deleted"
	one := bundle.Secrets{"key": secret.New("one")}
	if _, err := s.Write(t.Context(), path, one, 0); err != nil {
		t.Fatal(err)
	}
	v.Do(t, http.MethodDelete, "secret/data/"+path, nil)
	if _, err := s.Read(t.Context(), path, 1); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("read of a deleted version: %v", err)
	}
	if n, err := s.Current(t.Context(), path); n != 1 || err != nil {
		t.Errorf("current: %d, %v, want 1", n, err)
	}
	if n, err := s.Write(t.Context(), path, one, 1); n != 2 || err != nil {
		t.Errorf("write after a delete: %d, %v, want 2", n, err)
	}
	v.Do(t, http.MethodPut, "secret/destroy/"+path, map[string]any{"versions": []int{2}})
	if _, err := s.Read(t.Context(), path, 2); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("read of a destroyed version: %v", err)
	}
}

func TestLogin(t *testing.T) {
	v := servers.StartVault(t)
	v.Token(t, "acme", `path "secret/data/p/acme/*" { capabilities = ["create", "read", "update"] }`)
	v.Do(t, http.MethodPost, "sys/auth/ci", map[string]any{"type": "approle"})
	v.Do(t, http.MethodPost, "auth/ci/role/acme", map[string]any{"token_policies": "acme"})
	ask := func(method, path, key string) string {
		t.Helper()
		data, _ := v.Do(t, method, path, map[string]any{})["data"].(map[string]any)
		text, _ := data[key].(string)
		return text
	}
	roleID := ask(http.MethodGet, "auth/ci/role/acme/role-id", "role_id")
	secretID := ask(http.MethodPost, "auth/ci/role/acme/secret-id", "secret_id")
	home := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file(".vault-token", v.Token(t, "acme", `path "secret/data/p/acme/*" { capabilities = ["create", "read", "update"] }`))
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for name, c := range map[string]struct {
		auth vault.Auth
		fail bool
	}{
		"token file":       {auth: vault.Auth{Home: home}},
		"token variable":   {auth: vault.Auth{Method: "token", Getenv: env("VAULT_TOKEN", v.RootToken)}},
		"wrong token":      {auth: vault.Auth{Token: secret.New("wrong")}, fail: true},
		"no token":         {auth: vault.Auth{Home: t.TempDir()}, fail: true},
		"approle file":     {auth: vault.Auth{Method: "approle", Mount: "ci", RoleID: roleID, SecretIDFile: file("id", secretID)}},
		"approle variable": {auth: vault.Auth{Method: "approle", Mount: "ci", Getenv: env("VAULT_ROLE_ID", roleID, "VAULT_SECRET_ID", secretID)}},
		"wrong approle":    {auth: vault.Auth{Method: "approle", Mount: "ci", RoleID: roleID, SecretIDFile: file("bad", "s3cr3t-wrong")}, fail: true},
		"no such method":   {auth: vault.Auth{Method: "jwt", Role: "acme", JWTFile: file("jwt", "s3cr3t.jwt.x")}, fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := vault.Open(vault.Options{Address: v.Address, Auth: c.auth})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Current(t.Context(), "p/acme/production/login")
			switch {
			case !c.fail && err != nil:
				t.Error(err)
			case c.fail && (!errors.Is(err, publish.ErrPermission) || diag.HintOf(err) == ""):
				t.Errorf("error %v, hint %q", err, diag.HintOf(err))
			case err != nil && strings.Contains(err.Error(), "s3cr3t"):
				t.Errorf("the error holds a credential: %v", err)
			}
		})
	}
}

// JWTs are checked against a key that Vault was given, as those of a CI system are.
func TestLoginByJWT(t *testing.T) {
	v := servers.StartVault(t)
	public, token := signedJWT(t, "lcm", "ci-job")
	v.Token(t, "acme", `path "secret/data/p/acme/*" { capabilities = ["create", "read", "update"] }`)
	v.Do(t, http.MethodPost, "sys/auth/jwt", map[string]any{"type": "jwt"})
	v.Do(t, http.MethodPost, "auth/jwt/config", map[string]any{"jwt_validation_pubkeys": public})
	v.Do(t, http.MethodPost, "auth/jwt/role/acme", map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": "lcm", "token_policies": "acme",
	})
	name := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(name, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := vault.Open(vault.Options{Address: v.Address, Auth: vault.Auth{Method: "jwt", Role: "acme", JWTFile: name}})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Write(t.Context(), "p/acme/production/x", bundle.Secrets{"k": secret.New("v")}, 0); n != 1 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
}

// What Vault does not take is refused once, with a hint, instead of being tried again and again.
func TestTooLarge(t *testing.T) {
	v := servers.StartVault(t)
	s := v.Open(t, "secret", v.RootToken)
	var err error
	for version, size := range []int{2 << 20, 40 << 20} { // an OpenBao bounds the request, at 32 MiB, and not each text
		if _, err = s.Write(t.Context(), "p/acme/production/large", bundle.Secrets{"key": secret.New(strings.Repeat("x", size))}, version); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, publish.ErrUnavailable) || !strings.Contains(diag.HintOf(err), "max_json_string_value_length") {
		t.Errorf("error %v, hint %q", err, diag.HintOf(err))
	}
}

func TestRealRefusals(t *testing.T) {
	v := servers.StartVault(t)
	v.Mount(t, "old", "1")
	token := v.Token(t, "reader", `path "secret/data/p/acme/*" { capabilities = ["read"] }`)
	for name, c := range map[string]struct {
		store *vault.Store
		path  string
		perm  bool
	}{
		"version 1":       {v.Open(t, "old", v.RootToken), "p/acme/production/x", false},
		"no mount":        {v.Open(t, "absent", v.RootToken), "p/acme/production/x", false},
		"may only read":   {v.Open(t, "secret", token), "p/acme/production/x", true},
		"another's place": {v.Open(t, "secret", token), "p/globex/production/x", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.store.Write(t.Context(), c.path, bundle.Secrets{"key": secret.New("s3cr3t-value")}, 0)
			if err == nil || errors.Is(err, publish.ErrPermission) != c.perm || errors.Is(err, publish.ErrUnavailable) {
				t.Fatalf("error %v", err)
			}
			hint := diag.HintOf(err)
			if hint == "" || c.perm && !strings.Contains(hint, "secret/data/"+c.path) {
				t.Errorf("%v: hint %q", err, hint)
			}
			if strings.Contains(err.Error()+hint, "s3cr3t") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}
