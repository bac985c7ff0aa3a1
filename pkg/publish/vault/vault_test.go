package vault_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/vault"
	"github.com/llm-devops/lcm/pkg/secret"
)

func open(t *testing.T, address string) *vault.Store {
	t.Helper()
	s, err := vault.Open(vault.Options{Address: address, Auth: vault.Auth{Token: secret.New("s3cr3t-token")}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func answering(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func silent(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

func closed(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}

// A Vault that is away, silent, sealed or refusing gives a clear error in bounded time, without a value in it.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		want    error
		hint    string
	}{
		"away":     {closed(t), publish.ErrUnavailable, "is up"},
		"silent":   {silent(t), publish.ErrUnavailable, "is up"},
		"sealed":   {answering(t, 503, `{"errors":["Vault is sealed"]}`), publish.ErrUnavailable, "unseal"},
		"refusing": {answering(t, 403, `{"errors":["permission denied"]}`), publish.ErrPermission, "secret/data/p/acme"},
		"expired":  {answering(t, 403, `{"errors":["permission denied","invalid token"]}`), publish.ErrPermission, "log in again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := publish.RetryingSecrets(open(t, c.address), publish.Patience{Request: 150 * time.Millisecond, Total: 400 * time.Millisecond})
			for what, call := range map[string]func(context.Context) error{
				"read":    func(ctx context.Context) error { _, err := s.Read(ctx, "p/acme", 1); return err },
				"current": func(ctx context.Context) error { _, err := s.Current(ctx, "p/acme"); return err },
				"write": func(ctx context.Context) error {
					_, err := s.Write(ctx, "p/acme", bundle.Secrets{"k": secret.New("s3cr3t-value")}, 0)
					return err
				},
			} {
				start := time.Now()
				err := call(t.Context())
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("%s took %s", what, took)
				}
				if !errors.Is(err, c.want) || !strings.Contains(diag.HintOf(err), c.hint) || !strings.Contains(err.Error(), c.address) {
					t.Errorf("%s: error %v, hint %q", what, err, diag.HintOf(err))
				}
				if strings.Contains(err.Error()+diag.HintOf(err), "s3cr3t") {
					t.Errorf("%s: the error holds a secret: %v", what, err)
				}
			}
		})
	}
}

// What a server, or something in front of it, says in an error can repeat what was sent to it.
func TestEchoedValues(t *testing.T) {
	for _, status := range []int{400, 404, 418, 500, 502} {
		_, err := open(t, answering(t, status, `you sent s3cr3t-value`)).Write(t.Context(), "p/acme", bundle.Secrets{"k": secret.New("s3cr3t-value")}, 0)
		if err == nil || strings.Contains(err.Error()+diag.HintOf(err), "s3cr3t") {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]vault.Options{
		"method":  {Address: "http://127.0.0.1:1", Auth: vault.Auth{Method: "ldap"}},
		"jwt":     {Address: "http://127.0.0.1:1", Auth: vault.Auth{Method: "jwt"}},
		"mount":   {Address: "http://127.0.0.1:1", Mount: "../sys"},
		"address": {Address: "http://a b"},
	} {
		if _, err := vault.Open(o); err == nil {
			t.Errorf("%s was not refused", name)
		}
	}
	s, err := vault.Open(vault.Options{Address: "https://vault.example.com:8200", Mount: "/kv/team/"})
	if err != nil || s.Mount() != "kv/team" || s.String() != "vault https://vault.example.com:8200 mount kv/team" {
		t.Errorf("%v, %v", s, err)
	}
}
