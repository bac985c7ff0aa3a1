package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/secret"
)

// GenerateIdentity makes a new age X25519 key pair: the private AGE-SECRET-KEY-1… and the recipient age1… that belongs to
// it.
func GenerateIdentity() (identity secret.Text, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return secret.Text{}, "", fmt.Errorf("generate an age identity: %w", err)
	}
	return secret.New(id.String()), id.Recipient().String(), nil
}

// SaveIdentity adds an identity to a file, in the form of age-keygen. A file that is not there is made with mode 0600, its
// directory with mode 0700; one that is there is appended to, and refused if others can read it. The data is on disk when
// it returns.
func SaveIdentity(path string, identity secret.Text, recipient string, now time.Time) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("save the identity: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", now.Format(time.RFC3339), recipient, identity.Reveal())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller chooses the file
	if errors.Is(err, fs.ErrExist) {
		f, text, err = openToAppend(path, text)
	}
	if err != nil {
		return err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// openToAppend opens a file of identities that is there, and starts the text on a line of its own.
func openToAppend(path, text string) (*os.File, string, error) {
	data, mode, err := readLimited(path)
	if err != nil {
		return nil, "", err
	}
	defer clear(data)
	if isReadableByOthers(mode) {
		return nil, "", diag.WithHint(fmt.Errorf("%s can be read by others (mode %04o)", path, mode.Perm()), "chmod 600 %s", path)
	}
	if isEncryptedFile(data) {
		return nil, "", diag.WithHint(fmt.Errorf("%s is encrypted with a passphrase, so nothing can be added to it", path),
			"save the identity in another file and name it in SOPS_AGE_KEY_FILE")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0) //nolint:gosec // the caller chooses the file
	if len(data) > 0 && data[len(data)-1] != '\n' {
		text = "\n" + text
	}
	return f, text, err
}
