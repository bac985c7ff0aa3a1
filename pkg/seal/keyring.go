package seal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/llm-devops/lcm/pkg/diag"
)

// KeyringOptions says where a [Keyring] looks. The zero value is the user's own environment, with nobody to ask for
// passphrases.
type KeyringOptions struct {
	Getenv    func(string) string // nil is os.Getenv
	Home      string              // "" is the user's home directory
	ConfigDir string              // "" is the user's configuration directory, as SOPS finds it
	// Passphrase asks for a secret, for a key that is protected by one. nil is nobody to ask. It may be called by several
	// goroutines, though never for the same key at once.
	Passphrase func(ctx context.Context, prompt string) ([]byte, error)
}

// Keyring holds the user's identities, from where SOPS 3.13 takes them: SOPS_AGE_SSH_PRIVATE_KEY_FILE,
// SOPS_AGE_SSH_PRIVATE_KEY_CMD, ~/.ssh/id_ed25519, ~/.ssh/id_rsa, SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD and
// sops/age/keys.txt in the user's configuration directory. They are read at first use and once; commands run, and
// passphrases are asked for, only when nothing else opens a file. It is safe for concurrent use.
type Keyring struct {
	getenv     func(string) string
	home       string
	configDir  string
	passphrase func(ctx context.Context, prompt string) ([]byte, error)

	once     sync.Once
	found    []identity          // in SOPS's order
	own      map[string]identity // by canonical recipient, where it is known without asking
	commands []*keyCommand
	tried    []Tried
	warnings diag.List

	pgp pgpKeys
}

// identity is a private key, or what leads to one.
type identity struct {
	where     string // for messages
	recipient string // canonical, "" where it is not known
	key       unlocker
	asks      bool // it may ask the user, or start a program
}

// unlocker gives the age identity for some use. It may ask, so it is called only when it is worth it.
type unlocker interface {
	unlock(ctx context.Context) (age.Identity, error)
}

// ready is an identity that needs nothing more.
type ready struct{ age.Identity }

func (r ready) unlock(context.Context) (age.Identity, error) { return r.Identity, nil }

// NewKeyring makes a keyring. Nothing is read yet.
func NewKeyring(o KeyringOptions) *Keyring {
	k := &Keyring{getenv: o.Getenv, home: o.Home, configDir: o.ConfigDir, passphrase: o.Passphrase}
	if k.getenv == nil {
		k.getenv = os.Getenv
	}
	return k
}

// HasIdentities reports whether there is any identity, or a command that may give one.
func (k *Keyring) HasIdentities(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	k.load()
	return len(k.found) > 0 || len(k.commands) > 0 || k.hasPGP() || k.getenv(envVaultAddr) != "", nil
}

// Recipients gives the recipients of the identities for which that is known without asking anybody, canonical, in the
// order of the places.
func (k *Keyring) Recipients(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.load()
	var out []string
	for _, id := range k.found {
		if id.recipient != "" && !slices.Contains(out, id.recipient) {
			out = append(out, id.recipient)
		}
	}
	return out, nil
}

// Warnings gives what is doubtful about the places of identities: private keys that others can read.
func (k *Keyring) Warnings() diag.List {
	k.load()
	return slices.Clone(k.warnings)
}

// DefaultIdentityFile gives the file that SOPS reads identities from if nothing else is said: sops/age/keys.txt in the
// user's configuration directory. It is "" where there is no such directory.
func (k *Keyring) DefaultIdentityFile() string {
	dir := k.configDir
	if dir == "" {
		// On macOS SOPS prefers XDG_CONFIG_HOME, which os.UserConfigDir does not know there.
		if xdg := k.getenv("XDG_CONFIG_HOME"); runtime.GOOS == "darwin" && xdg != "" {
			dir = xdg
		} else if d, err := os.UserConfigDir(); err == nil {
			dir = d
		}
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "sops", "age", "keys.txt")
}

// dataKey opens a file's data key with the first identity that can, or with those that can together.
func (k *Keyring) dataKey(ctx context.Context, m *Metadata) (*dataKey, error) {
	if k == nil {
		return nil, (&NoIdentityError{File: m.file, Recipients: m.Access.Recipients()}).hinted("the keyring")
	}
	k.load()
	if m.Access.Grouped() {
		raw, missing, err := k.sharedKey(ctx, m)
		if err != nil {
			return nil, err
		}
		if missing != nil {
			return nil, missing.hinted(k.hintFile())
		}
		return dataKeyFrom(raw)
	}
	s := k.search(ctx, m, 0)
	raw, err := s.run()
	if err != nil {
		return nil, err
	}
	if raw == nil {
		err := &NoIdentityError{File: m.file, Recipients: m.Access.Recipients(), Tried: s.report()}
		return nil, err.hinted(k.hintFile())
	}
	return dataKeyFrom(raw)
}

// search prepares to open what a file has sealed to one of its groups.
func (k *Keyring) search(ctx context.Context, m *Metadata, group int) *search {
	s := &search{k: k, ctx: ctx}
	for _, e := range m.entries {
		switch {
		case e.group != group:
		case e.kind == pgpKey:
			s.pgp = append(s.pgp, e)
		case e.kind == transitList:
			s.vault = append(s.vault, e)
		default:
			s.targets = append(s.targets, target{e.recipient, func(id age.Identity) ([]byte, error) { return decryptArmored(e.enc, id) }})
		}
	}
	return s
}

func (k *Keyring) hintFile() string {
	if f := k.DefaultIdentityFile(); f != "" {
		return f
	}
	return "an identity file"
}

// target is something sealed to one recipient.
type target struct {
	recipient string // canonical where it parses
	decrypt   func(age.Identity) ([]byte, error)
}

// search tries identities on targets, the cheap and certain first.
type search struct {
	k        *Keyring
	ctx      context.Context
	targets  []target
	pgp      []entry // PGP messages, which GnuPG opens
	vault    []entry // what a Vault opens
	problems []Tried
}

// run gives the plaintext, or nil if no identity opens any target. The error is the context's.
func (s *search) run() ([]byte, error) {
	for _, step := range []func() []byte{s.ownRecipients, s.anyReady, s.commands, s.locked, s.plugins, s.messages, s.transit, s.lockedFiles} {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		if plain := step(); plain != nil {
			return plain, nil
		}
	}
	return nil, s.ctx.Err()
}

func (s *search) problem(where, what string) {
	t := Tried{where, what}
	if !slices.Contains(s.problems, t) {
		s.problems = append(s.problems, t)
	}
}

// try decrypts one target. What an identity does not open is no problem; what breaks on the way is.
func (s *search) try(t target, where string, id age.Identity) []byte {
	plain, err := t.decrypt(id)
	if err == nil {
		if plain == nil {
			plain = []byte{}
		}
		return plain
	}
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil
	}
	s.problem(where, err.Error())
	return nil
}

// ownRecipients tries each stanza that names a recipient of ours with that identity: one attempt in the common case.
func (s *search) ownRecipients() []byte {
	for _, t := range s.targets {
		id, ok := s.k.own[t.recipient]
		if !ok || id.asks {
			continue
		}
		if r, ok := id.key.(ready); ok {
			if plain := s.try(t, id.where, r.Identity); plain != nil {
				return plain
			}
		}
	}
	return nil
}

// anyReady tries everything on everything, for stanzas that are labelled with another recipient than they are for.
func (s *search) anyReady() []byte {
	for _, id := range s.k.found {
		r, ok := id.key.(ready)
		if !ok || id.asks {
			continue
		}
		for _, t := range s.targets {
			if plain := s.try(t, id.where, r.Identity); plain != nil {
				return plain
			}
		}
	}
	return nil
}

func (s *search) commands() []byte {
	for _, c := range s.k.commands {
		for _, t := range s.targets {
			ids, err := c.identities(s.ctx, s.k, t.recipient)
			if err != nil {
				s.problem(c.where, err.Error())
				continue
			}
			for _, id := range ids {
				if _, isPlugin := id.key.(*pluginKey); isPlugin && !s.wantsPlugin() {
					continue
				}
				if plain := s.unlockAndTry(t, id); plain != nil {
					return plain
				}
			}
		}
	}
	return nil
}

// locked tries SSH keys with a passphrase, on the stanzas that are for them.
func (s *search) locked() []byte {
	for _, id := range s.k.found {
		if _, ok := id.key.(*lockedSSH); !ok {
			continue
		}
		for _, t := range s.targets {
			if t.recipient != id.recipient {
				continue
			}
			if plain := s.unlockAndTry(t, id); plain != nil {
				return plain
			}
		}
	}
	return nil
}

func (s *search) plugins() []byte {
	for _, id := range s.k.found {
		if _, ok := id.key.(*pluginKey); !ok || !s.wantsPlugin() {
			continue
		}
		for _, t := range s.targets {
			if plain := s.unlockAndTry(t, id); plain != nil {
				return plain
			}
		}
	}
	return nil
}

// wantsPlugin reports whether some target may be for a plugin: starting one can mean asking for a touch of a token.
func (s *search) wantsPlugin() bool {
	return slices.ContainsFunc(s.targets, func(t target) bool {
		return pluginName(t.recipient) != ""
	})
}

// lockedFiles tries identity files with a passphrase. Which recipients they are for is not known before they are open, so
// they come last.
func (s *search) lockedFiles() []byte {
	for _, id := range s.k.found {
		if _, ok := id.key.(*lockedFile); !ok {
			continue
		}
		for _, t := range s.targets {
			if strings.HasPrefix(t.recipient, "ssh-") {
				continue
			}
			if plain := s.unlockAndTry(t, id); plain != nil {
				return plain
			}
		}
	}
	return nil
}

func (s *search) unlockAndTry(t target, id identity) []byte {
	if s.ctx.Err() != nil {
		return nil
	}
	key, err := id.key.unlock(s.ctx)
	if err != nil {
		s.problem(id.where, err.Error())
		return nil
	}
	return s.try(t, id.where, key)
}

// report gives all places in order, those without a problem of their own as not matching.
func (s *search) report() []Tried {
	out := slices.Clone(s.k.tried)
	for i, t := range out {
		for _, p := range s.problems {
			if p.Where == t.Where {
				out[i].Problem = p.Problem
			}
		}
	}
	for _, p := range s.problems {
		if !slices.ContainsFunc(out, func(t Tried) bool { return t.Where == p.Where }) {
			out = append(out, p)
		}
	}
	return out
}
