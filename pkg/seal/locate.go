package seal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
)

// The environment variables of SOPS.
const (
	envSSHFile   = "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
	envSSHCmd    = "SOPS_AGE_SSH_PRIVATE_KEY_CMD"
	envKey       = "SOPS_AGE_KEY"
	envKeyFile   = "SOPS_AGE_KEY_FILE"
	envKeyCmd    = "SOPS_AGE_KEY_CMD"
	envRecipient = "SOPS_AGE_RECIPIENT" // given to the commands
)

// What can be the matter with a place.
const (
	problemUnset    = "not set"
	problemMissing  = "no such file"
	problemNoMatch  = "none of its identities is a recipient"
	problemNoPrompt = "it is protected by a passphrase, and there is nobody to ask for it"
)

// maxIdentityFile bounds a file of identities, in bytes, as SOPS does.
const maxIdentityFile = 16 << 20

// load reads all places once.
func (k *Keyring) load() {
	k.once.Do(func() {
		if k.home == "" {
			k.home, _ = os.UserHomeDir()
		}
		k.sshFile(envSSHFile, k.getenv(envSSHFile))
		k.command(envSSHCmd, true)
		if k.home != "" {
			for _, name := range []string{"id_ed25519", "id_rsa"} {
				path := filepath.Join(k.home, ".ssh", name)
				k.sshFile(path, path)
			}
		}
		if text := k.getenv(envKey); text != "" {
			k.add(envKey, []byte(text), true)
		} else {
			k.tried = append(k.tried, Tried{envKey, problemUnset})
		}
		k.identityFile(envKeyFile, k.getenv(envKeyFile))
		k.command(envKeyCmd, false)
		if path := k.DefaultIdentityFile(); path != "" {
			k.identityFile(path, path)
		}
		k.own = make(map[string]identity, len(k.found))
		for _, id := range k.found {
			if _, ok := k.own[id.recipient]; !ok && id.recipient != "" {
				k.own[id.recipient] = id
			}
		}
	})
}

// read gives a place's file; ok is false where it is no use, which is noted.
func (k *Keyring) read(where, path string) (data []byte, ok bool) {
	if path == "" {
		k.tried = append(k.tried, Tried{where, problemUnset})
		return nil, false
	}
	data, mode, err := readLimited(path)
	if err != nil {
		problem := err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			problem = problemMissing
			if where != path {
				problem = path + ": " + problemMissing
			}
		}
		k.tried = append(k.tried, Tried{where, problem})
		return nil, false
	}
	if isReadableByOthers(mode) {
		k.warnings = append(k.warnings, diag.Finding{
			Code: codeReadable, Severity: diag.Warning, Position: diag.Position{File: path},
			Message: fmt.Sprintf("the private key can be read by others (mode %04o)", mode.Perm()),
			Hint:    "chmod 600 " + path,
		})
	}
	return data, true
}

// isReadableByOthers reports whether a file's mode lets others at it. On Windows modes do not say.
func isReadableByOthers(mode fs.FileMode) bool {
	return mode.Perm()&0o077 != 0 && runtime.GOOS != "windows"
}

func readLimited(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := readAll(f, int(min(info.Size(), maxIdentityFile)), maxIdentityFile)
	if err == nil && len(data) > maxIdentityFile {
		clear(data)
		return nil, 0, fmt.Errorf("read %s: more than %d bytes", path, maxIdentityFile)
	}
	return data, info.Mode(), err
}

// sshFile adds the SSH key in a file.
func (k *Keyring) sshFile(where, path string) {
	data, ok := k.read(where, path)
	if !ok {
		return
	}
	id, err := k.sshKey(path, data)
	clear(data)
	if err != nil {
		k.tried = append(k.tried, Tried{where, err.Error()})
		return
	}
	k.found = append(k.found, id)
	k.tried = append(k.tried, Tried{id.where, problemNoMatch})
}

// sshKey reads an SSH private key, of which it keeps no part of data. path is "" for one that a command gave.
func (k *Keyring) sshKey(path string, data []byte) (identity, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		if path == "" {
			return identity{}, errors.New("the SSH key is protected by a passphrase, which is not supported for a command's output")
		}
		public := missing.PublicKey
		if public == nil {
			// Old PEM files do not hold the public key in the clear.
			if public, err = readPublicKey(path + ".pub"); err != nil {
				return identity{}, err
			}
		}
		if t := public.Type(); t != ssh.KeyAlgoED25519 && t != ssh.KeyAlgoRSA {
			return identity{}, fmt.Errorf("an SSH key of type %s cannot be used, only ed25519 and rsa", t)
		}
		return identity{path, sshText(public), &lockedSSH{k: k, where: path, pem: bytes.Clone(data), public: public}, true}, nil
	}
	if err != nil {
		return identity{}, errors.New("not a private SSH key")
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return identity{}, fmt.Errorf("use the SSH key: %w", err)
	}
	id, err := sshIdentity(key)
	if err != nil {
		return identity{}, err
	}
	return identity{path, sshText(signer.PublicKey()), ready{id}, false}, nil
}

// rsaKey is an RSA key as an age identity.
type rsaKey struct {
	*agessh.RSAIdentity
	key *rsa.PrivateKey
}

// wipe overwrites the key as far as it can be reached: the standard library keeps more of one than it shows.
func (k rsaKey) wipe() {
	p := &k.key.Precomputed
	for _, n := range append([]*big.Int{k.key.D, p.Dp, p.Dq, p.Qinv}, k.key.Primes...) {
		if n != nil {
			clear(n.Bits())
		}
	}
}

func readPublicKey(path string) (ssh.PublicKey, error) {
	data, _, err := readLimited(path)
	if err != nil {
		return nil, fmt.Errorf("read the public key of an encrypted SSH key: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a public SSH key", path)
	}
	return public, nil
}

// sshIdentity makes an age identity of a parsed SSH key, which is not to be used afterwards.
func sshIdentity(key any) (age.Identity, error) {
	switch key := key.(type) {
	case *ed25519.PrivateKey:
		return sshIdentity(*key)
	case ed25519.PrivateKey:
		defer clear(key)
		return agessh.NewEd25519Identity(key)
	case *rsa.PrivateKey:
		id, err := agessh.NewRSAIdentity(key)
		return rsaKey{id, key}, err
	}
	return nil, errors.New("an SSH key of this type cannot be used, only ed25519 and rsa")
}

// identityFile adds the identities in a file.
func (k *Keyring) identityFile(where, path string) {
	if data, ok := k.read(where, path); ok {
		k.add(path, data, false)
		clear(data)
	}
}

// add adds the identities in a text, of which it keeps no part.
func (k *Keyring) add(where string, text []byte, words bool) {
	ids, err := k.parseIdentities(where, text, words)
	switch {
	case err != nil:
		k.tried = append(k.tried, Tried{where, err.Error()})
	case len(ids) == 0:
		k.tried = append(k.tried, Tried{where, "it holds no identity"})
	default:
		k.found = append(k.found, ids...)
		k.tried = append(k.tried, Tried{where, problemNoMatch})
	}
}

// parseIdentities reads identities, one a line or, with words, several; lines that start with # are comments. A text that
// is an age file itself is one that a passphrase opens.
func (k *Keyring) parseIdentities(where string, text []byte, words bool) ([]identity, error) {
	if isEncryptedFile(text) {
		return []identity{{where, "", &lockedFile{k: k, where: where, contents: bytes.Clone(text)}, true}}, nil
	}
	var out []identity
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		parts := [][]byte{line}
		if words {
			parts = bytes.Fields(line)
		}
		for _, part := range parts {
			id, err := k.parseIdentity(where, part)
			if err != nil {
				// The error of the parser may quote the key.
				return nil, fmt.Errorf("line %d is no age identity", number)
			}
			out = append(out, id)
		}
	}
	return out, nil
}

// isEncryptedFile reports whether a file of identities is an age file.
func isEncryptedFile(text []byte) bool {
	return bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(text, []byte(armor.Header))
}

func (k *Keyring) parseIdentity(where string, text []byte) (identity, error) {
	switch {
	case bytes.HasPrefix(text, []byte("AGE-PLUGIN-")):
		if _, _, err := plugin.ParseIdentity(string(text)); err != nil {
			return identity{}, err
		}
		return identity{where, "", &pluginKey{k, where, string(text)}, true}, nil
	case bytes.HasPrefix(text, []byte("AGE-SECRET-KEY-PQ-1")):
		id, err := age.ParseHybridIdentity(string(text))
		if err != nil {
			return identity{}, err
		}
		return identity{where, id.Recipient().String(), ready{id}, false}, nil
	case bytes.HasPrefix(text, []byte("AGE-SECRET-KEY-1")):
		id, err := age.ParseX25519Identity(string(text))
		if err != nil {
			return identity{}, err
		}
		return identity{where, id.Recipient().String(), ready{id}, false}, nil
	}
	return identity{}, errors.New("unknown kind of identity")
}

// keyCommand is a command that prints identities. SOPS runs it for each recipient of a file, named in its environment.
type keyCommand struct {
	where string
	line  string
	ssh   bool // it prints one SSH key

	mu    sync.Mutex
	cache map[string]commandResult // by recipient
}

type commandResult struct {
	ids []identity
	err error
}

func (k *Keyring) command(env string, isSSH bool) {
	line := k.getenv(env)
	if line == "" {
		k.tried = append(k.tried, Tried{env, problemUnset})
		return
	}
	k.commands = append(k.commands, &keyCommand{where: env, line: line, ssh: isSSH, cache: map[string]commandResult{}})
	k.tried = append(k.tried, Tried{env, problemNoMatch})
}

// identities runs the command for a recipient, once for each.
func (c *keyCommand) identities(ctx context.Context, k *Keyring, recipient string) ([]identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.cache[recipient]; ok {
		return r.ids, r.err
	}
	ids, err := c.run(ctx, k, recipient)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c.cache[recipient] = commandResult{ids, err}
	return ids, err
}

func (c *keyCommand) run(ctx context.Context, k *Keyring, recipient string) ([]identity, error) {
	args, err := splitCommand(c.line)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the user's own environment names it, as SOPS has it
	cmd.Env = append(os.Environ(), envRecipient+"="+recipient)
	out, err := output(cmd)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", args[0], err)
	}
	defer clear(out)
	if c.ssh {
		id, err := k.sshKey("", out)
		id.where = c.where
		return []identity{id}, err
	}
	return k.parseIdentities(c.where, out, false)
}

// splitCommand splits a command line at blanks, with quotes and backslashes as in a shell and nothing else of one.
func splitCommand(line string) ([]string, error) {
	var args []string
	var b strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				b.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if inWord {
				args = append(args, b.String())
				b.Reset()
				inWord = false
			}
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("the command has a quote that is not closed")
	}
	if inWord {
		args = append(args, b.String())
	}
	if len(args) == 0 {
		return nil, errors.New("the command is empty")
	}
	return args, nil
}
