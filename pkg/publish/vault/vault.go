// Package vault keeps secrets in the KV version 2 engine of a HashiCorp Vault.
//
// Every write is a check-and-set, every read names its version. The client's own repetitions are switched off: repeating is
// for [publish.Retrying], which knows what is safe. No value is ever part of an error.
//
// Besides what [Options] says, the usual variables for TLS (VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT,
// VAULT_TLS_SERVER_NAME, VAULT_SKIP_VERIFY) and proxies count, as for the vault command.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/secret"
)

// Options says which engine of which Vault, and how to log in.
type Options struct {
	Address   string // https://host:port; VAULT_ADDR if empty
	Namespace string // Vault Enterprise; VAULT_NAMESPACE if empty
	Mount     string // of the KV version 2 engine; "secret" if empty
	Auth      Auth
}

// Store is a [publish.SecretStore] in one engine. It logs in when it is first used.
type Store struct {
	client  *api.Client
	address string
	mount   string
	auth    Auth

	mu      sync.Mutex
	session session
	checked bool // that the engine is of version 2
}

// Open gives the store. It does not connect yet.
func Open(o Options) (*Store, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, fmt.Errorf("open vault: %w", config.Error)
	}
	if o.Address != "" {
		config.Address = o.Address
		config.AgentAddress = ""
	}
	config.MaxRetries = 0
	config.Timeout = 0 // callers bound their requests
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("open vault %s: %w", o.Address, err)
	}
	client.ClearToken()
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	mount := strings.Trim(o.Mount, "/")
	if mount == "" {
		mount = "secret"
	}
	if err := publish.CheckKey(mount); err != nil {
		return nil, fmt.Errorf("open vault %s: mount: %w", o.Address, err)
	}
	if err := o.Auth.check(); err != nil {
		return nil, fmt.Errorf("open vault %s: %w", o.Address, err)
	}
	return &Store{client: client, address: client.Address(), mount: mount, auth: o.Auth}, nil
}

// Mount implements [publish.SecretStore].
func (s *Store) Mount() string { return s.mount }

// String implements [publish.SecretStore].
func (s *Store) String() string { return "vault " + s.address + " mount " + s.mount }

// Read implements [publish.SecretStore]. A field that is no text, which only others can have written, is given as JSON.
func (s *Store) Read(ctx context.Context, name string, version int) (bundle.Secrets, error) {
	got, err := s.read(ctx, name, version)
	if err != nil {
		return nil, err
	}
	fields, ok := got["data"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read %s version %d: %w", s.at("data", name), version, publish.ErrNotExist)
	}
	secrets := make(bundle.Secrets, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		text, ok := fields[key].(string)
		if !ok {
			other, err := json.Marshal(fields[key])
			if err != nil {
				return nil, fmt.Errorf("read %s: field %s cannot be read", s.at("data", name), key)
			}
			text = string(other)
		}
		secrets[key] = secret.New(text)
	}
	return secrets, nil
}

// Current implements [publish.SecretStore].
func (s *Store) Current(ctx context.Context, name string) (int, error) {
	got, err := s.read(ctx, name, 0)
	switch {
	case errors.Is(err, publish.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	}
	metadata, _ := got["metadata"].(map[string]any)
	return s.version(metadata, "read", name)
}

// read gives the answer to a read: data, null for a deleted version, and metadata.
func (s *Store) read(ctx context.Context, name string, version int) (map[string]any, error) {
	if err := publish.CheckKey(name); err != nil {
		return nil, err
	}
	var query map[string][]string
	if version > 0 {
		query = map[string][]string{"version": {strconv.Itoa(version)}}
	}
	full := s.at("data", name)
	got, err := s.do(ctx, "read", full, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().ReadWithDataWithContext(ctx, full, query)
	})
	if err != nil {
		return nil, err
	}
	if got == nil || got.Data == nil {
		return nil, fmt.Errorf("read %s: %w", full, publish.ErrNotExist)
	}
	return got.Data, nil
}

// Write implements [publish.SecretStore].
func (s *Store) Write(ctx context.Context, name string, secrets bundle.Secrets, cas int) (int, error) {
	if err := publish.CheckKey(name); err != nil {
		return 0, err
	}
	full := s.at("data", name)
	// Vault counts a text with its escapes against its limit, so no more are made than JSON needs.
	fields, err := secrets.Encode()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", full, err)
	}
	body := fmt.Appendf(nil, `{"data":%s,"options":{"cas":%d}}`, fields, cas)
	clear(fields)
	defer clear(body)
	got, err := s.do(ctx, "write", full, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().WriteBytesWithContext(ctx, full, body)
	})
	if err != nil {
		return 0, err
	}
	if got == nil {
		return 0, fmt.Errorf("write %s: no version in the answer", full)
	}
	return s.version(got.Data, "write", name)
}

func (s *Store) version(metadata map[string]any, verb, name string) (int, error) {
	if n, ok := metadata["version"].(json.Number); ok {
		if v, err := strconv.Atoi(n.String()); err == nil && v > 0 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%s %s: no version in the answer", verb, s.at("data", name))
}

// at gives the API path of a secret: KV version 2 has data and metadata below the mount.
func (s *Store) at(what, name string) string { return path.Join(s.mount, what, name) }

// do runs one request, logged in, against an engine that is known to be of version 2.
func (s *Store) do(ctx context.Context, verb, full string, request func(context.Context, *api.Client) (*api.Secret, error)) (*api.Secret, error) {
	client, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	got, err := request(ctx, client)
	return got, s.explain(ctx, verb, full, err)
}

// ready gives a client with a valid token. Callers wait for one login; a failed one is tried again by the next.
func (s *Store) ready(ctx context.Context) (*api.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.session.valid() {
		session, err := s.auth.login(ctx, s)
		if err != nil {
			return nil, err
		}
		// A client of its own: requests of the last session may still use that one's.
		if session.client, err = s.client.CloneWithHeaders(); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		session.client.SetToken(session.token.Reveal())
		s.session = session
	}
	if !s.checked {
		if err := s.checkEngine(ctx, s.session.client); err != nil {
			return nil, err
		}
		s.checked = true
	}
	return s.session.client, nil
}

// checkEngine refuses an engine of version 1: it would take writes to data/… as ordinary paths, without versions. A token
// that may not ask is let through; the answers to its writes show the same then.
func (s *Store) checkEngine(ctx context.Context, client *api.Client) error {
	full := "sys/internal/ui/mounts/" + s.mount
	got, err := client.Logical().ReadWithContext(ctx, full)
	if err != nil {
		err = s.explain(ctx, "read", full, err)
		if errors.Is(err, publish.ErrUnavailable) {
			return err
		}
		return nil
	}
	if got == nil {
		return nil
	}
	kind, _ := got.Data["type"].(string)
	options, _ := got.Data["options"].(map[string]any)
	if kind != "kv" || options["version"] != "2" {
		return diag.WithHint(fmt.Errorf("%s: the engine is not KV version 2", s), "enable one: vault secrets enable -path=%s -version=2 kv", s.mount)
	}
	return nil
}

// explain maps an answer to the sentinels. Vault's own words are kept only where they cannot hold what was sent.
func (s *Store) explain(ctx context.Context, verb, full string, err error) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf("%s %s of vault %s", verb, full, s.address)
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w: %w", what, publish.ErrUnavailable, cause)
	}
	r, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return s.explainConnection(what, err)
	}
	said := strings.Join(r.Errors, "; ")
	switch {
	case r.StatusCode == http.StatusBadRequest && strings.Contains(said, "check-and-set"):
		return fmt.Errorf("%s: %w", what, publish.ErrConflict)
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
		return diag.WithHint(fmt.Errorf("%s: %w", what, publish.ErrPermission), "%s", s.permissionHint(full, said))
	case r.StatusCode == http.StatusNotFound && strings.Contains(said, "no handler for route"):
		return diag.WithHint(fmt.Errorf("%s: nothing is mounted there", what), "enable an engine: vault secrets enable -path=%s -version=2 kv", s.mount)
	case r.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w", what, publish.ErrNotExist)
	case r.StatusCode == http.StatusServiceUnavailable && strings.Contains(said, "sealed"):
		return diag.WithHint(fmt.Errorf("%s: %w: Vault is sealed", what, publish.ErrUnavailable), "unseal it: vault operator unseal")
	case r.StatusCode == http.StatusRequestEntityTooLarge, strings.Contains(said, "exceeds allowed"), strings.Contains(said, "too large"):
		return diag.WithHint(fmt.Errorf("%s: it is more than Vault takes", what),
			"keep texts of 1 MiB and more out of secrets, or raise the limits of Vault's listener (max_request_size, max_json_string_value_length)")
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w: status %d", what, publish.ErrUnavailable, r.StatusCode)
	}
	return fmt.Errorf("%s: status %d", what, r.StatusCode)
}

func (s *Store) permissionHint(full, said string) string {
	if strings.Contains(said, "invalid token") {
		return "the token is not valid or has expired: log in again (vault login), or set VAULT_TOKEN"
	}
	return fmt.Sprintf("the policy of the token must allow create, read and update on %q", full)
}

func (s *Store) explainConnection(what string, err error) error {
	if untrusted(err) {
		return diag.WithHint(fmt.Errorf("%s: %w", what, err), "the server's certificate is not trusted here: set VAULT_CACERT to its authority")
	}
	return diag.WithHint(fmt.Errorf("%s: %w: %w", what, publish.ErrUnavailable, err), "check that Vault is up and that %s is its address", s.address)
}
