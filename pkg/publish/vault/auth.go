package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/secret"
)

// The ways to log in.
const (
	MethodToken   = "token"
	MethodAppRole = "approle"
	MethodJWT     = "jwt"
)

// Auth says how to log in.
//
//   - token: Token, else VAULT_TOKEN, else the file .vault-token in the home directory, where vault login leaves it.
//   - approle: RoleID, else VAULT_ROLE_ID; and SecretIDFile, else VAULT_SECRET_ID.
//   - jwt: Role, and a JWT from JWTFile, as CI systems and Kubernetes provide them.
type Auth struct {
	Method string // "token" if empty
	Mount  string // of the method; its own name if empty

	Token        secret.Text
	RoleID       string
	SecretIDFile string
	Role         string
	JWTFile      string

	Getenv func(string) string // nil for an empty environment
	Home   string              // the home directory; "" for none
}

// maxCredential bounds a credential's file in bytes.
const maxCredential = 64 << 10

// renewBefore is how long before its end a session counts as over.
const renewBefore = 15 * time.Second

// session is a token, when it ends, and the client that sends it.
type session struct {
	token  secret.Text
	ends   time.Time // zero: not known, or never
	client *api.Client
}

func (s session) valid() bool {
	return !s.token.IsZero() && (s.ends.IsZero() || time.Now().Before(s.ends))
}

func (a *Auth) check() error {
	switch a.Method {
	case "", MethodToken, MethodAppRole:
		return nil
	case MethodJWT:
		if a.JWTFile == "" {
			return diag.WithHint(errors.New("auth method jwt needs the file of the JWT"), "set jwt_file in the target's auth")
		}
		return nil
	}
	return diag.WithHint(fmt.Errorf("auth method %q is not known", a.Method), "use %s, %s or %s", MethodToken, MethodAppRole, MethodJWT)
}

func (a *Auth) getenv(name string) string {
	if a.Getenv == nil {
		return ""
	}
	return a.Getenv(name)
}

// login gives a session. It asks the server except for tokens at hand.
func (a *Auth) login(ctx context.Context, s *Store) (session, error) {
	switch a.Method {
	case MethodAppRole:
		return a.appRole(ctx, s)
	case MethodJWT:
		jwt, err := readCredential(a.JWTFile)
		if err != nil {
			return session{}, fmt.Errorf("log in to vault %s: JWT: %w", s.address, err)
		}
		return a.exchange(ctx, s, MethodJWT, map[string]any{"role": a.Role, "jwt": jwt.Reveal()})
	}
	if !a.Token.IsZero() {
		return session{token: a.Token}, nil
	}
	if token := a.getenv("VAULT_TOKEN"); token != "" {
		return session{token: secret.New(token)}, nil
	}
	if a.Home != "" {
		token, err := readCredential(filepath.Join(a.Home, ".vault-token"))
		if err == nil {
			return session{token: token}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return session{}, fmt.Errorf("log in to vault %s: %w", s.address, err)
		}
	}
	return session{}, diag.WithHint(fmt.Errorf("log in to vault %s: %w: there is no token", s.address, publish.ErrPermission),
		"log in first (vault login), or set VAULT_TOKEN")
}

func (a *Auth) appRole(ctx context.Context, s *Store) (session, error) {
	role, id := a.RoleID, secret.New(a.getenv("VAULT_SECRET_ID"))
	if role == "" {
		role = a.getenv("VAULT_ROLE_ID")
	}
	if a.SecretIDFile != "" {
		var err error
		if id, err = readCredential(a.SecretIDFile); err != nil {
			return session{}, fmt.Errorf("log in to vault %s: secret id: %w", s.address, err)
		}
	}
	if role == "" {
		return session{}, diag.WithHint(fmt.Errorf("log in to vault %s: %w: there is no role id", s.address, publish.ErrPermission),
			"set VAULT_ROLE_ID and VAULT_SECRET_ID")
	}
	body := map[string]any{"role_id": role}
	if !id.IsZero() { // a role can be set up to need none
		body["secret_id"] = id.Reveal()
	}
	return a.exchange(ctx, s, MethodAppRole, body)
}

// exchange gives the token that the server returns for credentials.
func (a *Auth) exchange(ctx context.Context, s *Store, method string, body map[string]any) (session, error) {
	mount := strings.Trim(a.Mount, "/")
	if mount == "" {
		mount = method
	}
	full := path.Join("auth", mount, "login")
	client, err := s.client.CloneWithHeaders()
	if err != nil {
		return session{}, fmt.Errorf("log in to vault %s: %w", s.address, err)
	}
	client.ClearToken()
	got, err := client.Logical().WriteWithContext(ctx, full, body)
	if err != nil {
		err = s.explain(ctx, "log in at", full, err)
		if errors.Is(err, publish.ErrUnavailable) || errors.Is(err, publish.ErrPermission) {
			return session{}, err
		}
		// Vault answers wrong credentials with status 400.
		return session{}, diag.WithHint(fmt.Errorf("%w: %w", publish.ErrPermission, err), "check the credentials of the %s login", method)
	}
	if got == nil || got.Auth == nil || got.Auth.ClientToken == "" {
		return session{}, fmt.Errorf("log in to vault %s: no token in the answer", s.address)
	}
	in := session{token: secret.New(got.Auth.ClientToken)}
	if lease := time.Duration(got.Auth.LeaseDuration) * time.Second; lease > 2*renewBefore {
		in.ends = time.Now().Add(lease - renewBefore)
	}
	return in, nil
}

func readCredential(name string) (secret.Text, error) {
	f, err := os.Open(name) // #nosec G304 -- the user names the file
	if err != nil {
		return secret.Text{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err != nil {
		return secret.Text{}, err
	}
	text := strings.TrimSpace(string(data))
	if text == "" || len(data) > maxCredential {
		return secret.Text{}, fmt.Errorf("%s holds no credential", name)
	}
	return secret.New(text), nil
}

// untrusted reports whether a connection failed for its certificate, which does not get better by waiting.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}
