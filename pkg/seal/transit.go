package seal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// The environment variables of Vault and OpenBao.
const (
	envVaultAddr      = "VAULT_ADDR"
	envVaultToken     = "VAULT_TOKEN"
	envVaultNamespace = "VAULT_NAMESPACE"
	envVaultCACert    = "VAULT_CACERT"
)

// transitTimeout bounds one request to a Vault.
const transitTimeout = 15 * time.Second

// transitKey is a key in the transit engine of a HashiCorp Vault or an OpenBao, which does the encrypting itself.
type transitKey struct {
	address string // https://vault.example.com:8200
	engine  string // where the engine is mounted: transit
	name    string
}

var transitURI = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(https?://[^/?#@\s]+)/v1/([A-Za-z0-9_./-]+)/keys/([A-Za-z0-9_.-]+)/?$`)
})

// isTransit reports whether a text is meant as the address of a transit key.
func isTransit(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// parseTransit reads the address of a transit key, as SOPS writes it.
func parseTransit(s string) (Recipient, error) {
	m := transitURI().FindStringSubmatch(s)
	if m == nil || strings.Contains(m[2], "..") || strings.Contains(m[2], "//") {
		return Recipient{}, errors.New("a key of Vault's transit engine is written https://HOST:PORT/v1/ENGINE/keys/NAME")
	}
	k := &transitKey{address: m[1], engine: strings.Trim(m[2], "/"), name: m[3]}
	return Recipient{text: k.String(), transit: k}, nil
}

// String gives the key's address in its canonical form.
func (k *transitKey) String() string { return k.address + "/v1/" + k.engine + "/keys/" + k.name }

func (k *transitKey) node(created, enc string) *tree.Node {
	return tree.NewMap(
		tree.Field{Key: "created_at", Value: tree.NewString(created)},
		tree.Field{Key: "enc", Value: tree.NewString(enc)},
		tree.Field{Key: "engine_path", Value: tree.NewString(k.engine)},
		tree.Field{Key: "key_name", Value: tree.NewString(k.name)},
		tree.Field{Key: "vault_address", Value: tree.NewString(k.address)},
	)
}

// vault is how a Vault is spoken to: what the user's environment says. A repository names addresses, and anybody may write one into a
// file: the token goes to the one that the user named, and to no other.
type vault struct {
	getenv func(string) string
	home   string
}

// token gives the token for an address, or why there is none.
func (v vault) token(address string) (string, error) {
	own := strings.TrimRight(v.getenv(envVaultAddr), "/")
	if own == "" {
		return "", diag.WithHint(fmt.Errorf("%s is not set", envVaultAddr), "set it to %s, to say that this is your Vault and may have your token", address)
	}
	if !strings.EqualFold(own, address) {
		return "", diag.WithHint(fmt.Errorf("%s is another one, %s", envVaultAddr, own), "set it to %s, if that is your Vault and may have your token", address)
	}
	if token := v.getenv(envVaultToken); token != "" {
		return token, nil
	}
	if v.home != "" {
		if data, err := os.ReadFile(filepath.Join(v.home, ".vault-token")); err == nil && len(bytes.TrimSpace(data)) > 0 {
			return string(bytes.TrimSpace(data)), nil
		}
	}
	return "", diag.WithHint(errors.New("there is no token for it"), "log in with vault login, or set %s", envVaultToken)
}

// call asks a key to do something, and reads the answer.
func (v vault) call(ctx context.Context, k *transitKey, do string, body []byte, answer *transitAnswer) error {
	token, err := v.token(k.address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, transitTimeout)
	defer cancel()
	at := k.address + "/v1/" + k.engine + "/" + do + "/" + url.PathEscape(k.name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	if ns := v.getenv(envVaultNamespace); ns != "" {
		req.Header.Set("X-Vault-Namespace", ns)
	}
	client, err := v.client()
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readTransit(resp, answer)
}

// transitAnswer is what a Vault answers, of which each request wants one field.
type transitAnswer struct {
	Data struct {
		Ciphertext string `json:"ciphertext"`
		Plaintext  []byte `json:"plaintext"` // base64 in the text
	} `json:"data"`
	Errors []string `json:"errors"`
}

// maxTransitAnswer bounds the answer of a Vault, in bytes.
const maxTransitAnswer = 1 << 20

func readTransit(resp *http.Response, answer *transitAnswer) error {
	data, err := readAll(resp.Body, 4<<10, maxTransitAnswer)
	if err != nil {
		return err
	}
	defer clear(data)
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(data, answer); err != nil {
			return errors.New("its answer is not that of a transit engine") // the error may quote it
		}
		return nil
	}
	said := resp.Status
	if json.Unmarshal(data, answer) == nil && len(answer.Errors) > 0 {
		said += ": " + oneLine(strings.TrimSpace(strings.Join(answer.Errors, "; ")))
	}
	return errors.New("it answers " + said)
}

// client speaks TLS with the authorities that the environment names. A redirect would take the token elsewhere.
func (v vault) client() (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	if file := v.getenv(envVaultCACert); file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", envVaultCACert, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s: %s holds no certificate", envVaultCACert, file)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// wrapTransit has a Vault encrypt a data key.
func wrapTransit(ctx context.Context, k *transitKey, raw []byte) (string, error) {
	home, _ := os.UserHomeDir()
	body := append(make([]byte, 0, 128), `{"plaintext":"`...)
	body = append(base64.StdEncoding.AppendEncode(body, raw), `"}`...)
	defer clear(body)
	var answer transitAnswer
	err := vault{os.Getenv, home}.call(ctx, k, "encrypt", body, &answer)
	if err == nil && answer.Data.Ciphertext == "" {
		err = errors.New("its answer has no ciphertext")
	}
	if err != nil {
		return "", diag.WithHint(fmt.Errorf("seal to the Vault key %s: %w", k, err), "%s", hintOr(err, "the token needs update on "+k.engine+"/encrypt/"+k.name))
	}
	return answer.Data.Ciphertext, nil
}

func hintOr(err error, hint string) string {
	if h := diag.HintOf(err); h != "" {
		return h
	}
	return hint
}

// transit has the user's Vault open what is sealed to a key of it.
func (s *search) transit() []byte {
	for _, e := range s.vault {
		r, err := ParseRecipient(e.recipient)
		if err != nil || r.transit == nil || s.ctx.Err() != nil {
			continue
		}
		var answer transitAnswer
		body, err := json.Marshal(map[string]string{"ciphertext": e.enc})
		if err == nil {
			err = vault{s.k.getenv, s.k.home}.call(s.ctx, r.transit, "decrypt", body, &answer)
		}
		if err == nil && len(answer.Data.Plaintext) > 0 {
			return answer.Data.Plaintext
		}
		if err == nil {
			err = errors.New("its answer has no plaintext")
		}
		s.problem("Vault "+r.transit.address, err.Error())
	}
	return nil
}

// transitFault gives what shows that an envelope is none of Vault's.
func transitFault(enc string) string {
	if !strings.HasPrefix(enc, "vault:v") {
		return "it is no ciphertext of Vault's transit engine"
	}
	return ""
}
