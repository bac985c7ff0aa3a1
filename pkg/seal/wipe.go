package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"slices"
	"sync"

	"filippo.io/age"
)

// wipe overwrites the key. It opens nothing afterwards, and wiping it again is harmless, as is wiping none.
func (k *dataKey) wipe() {
	if k == nil {
		return
	}
	clear(k.raw)
	zero(k.block) // the first round keys of AES-256 are the key
	zero(k.aead)
	*k = dataKey{}
}

// Close overwrites the data keys of a merge, which cannot be gone on with.
func (m *Merger) Close() {
	m.key.wipe()
	for _, s := range append(slices.Clone(m.sides), m.base) {
		if s != nil {
			s.key.wipe()
		}
	}
}

// Forget overwrites and drops the identities, those of commands and those that a passphrase opened included. What is needed afterwards
// is looked for again, and asked for again. Nothing else may be using the keyring meanwhile.
func (k *Keyring) Forget() {
	for _, id := range k.found {
		forget(id)
	}
	for _, c := range k.commands {
		for _, r := range c.cache {
			for _, id := range r.ids {
				forget(id)
			}
		}
	}
	k.found, k.own, k.commands, k.tried, k.warnings = nil, nil, nil, nil, nil
	k.once = sync.Once{}
}

func forget(id identity) {
	switch key := id.key.(type) {
	case ready:
		wipe(key.Identity)
	case *lockedSSH:
		wipe(key.opened)
	case *lockedFile:
		wipe(key.opened)
	}
}

// wipe overwrites an identity, as far as it can be reached. The age library keeps its own to itself: they are dropped.
func wipe(id age.Identity) {
	switch id := id.(type) {
	case wiper:
		id.wipe()
	case identities:
		for _, one := range id {
			wipe(one)
		}
	}
}

// zero overwrites what a pointer points to: objects of libraries that hold keys, and that have nothing to end them. They are of no use
// afterwards.
func zero(p any) {
	if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer && !v.IsNil() {
		v.Elem().SetZero()
	}
}

// wiper is an identity that can be overwritten.
type wiper interface{ wipe() }

// keepingFileKey is an identity that remembers the file key that it gave, to overwrite it.
type keepingFileKey struct {
	age.Identity
	fileKey []byte
}

// Unwrap implements [age.Identity].
func (i *keepingFileKey) Unwrap(stanzas []*age.Stanza) (key []byte, err error) {
	i.fileKey, err = i.Identity.Unwrap(stanzas)
	return i.fileKey, err
}

// readAll reads at most limit bytes, and one more to tell that there are. Unlike [io.ReadAll] it leaves no part of them behind in
// memory. size is how many are expected.
func readAll(r io.Reader, size, limit int) ([]byte, error) {
	data := make([]byte, 0, min(size, limit)+1)
	for len(data) <= limit {
		if len(data) == cap(data) {
			old := data
			data = append(make([]byte, 0, 2*len(old)), old...)
			clear(old)
		}
		n, err := r.Read(data[len(data):min(cap(data), limit+1)])
		data = data[:len(data)+n]
		if err == io.EOF { //nolint:errorlint // readers give it bare
			break
		}
		if err != nil {
			clear(data)
			return nil, err
		}
	}
	return data, nil
}

// maxOutput bounds what a program may print that gives keys, in bytes.
const maxOutput = 1 << 20

// output runs a program and gives what it prints, as [exec.Cmd.Output] does, of which no part is left behind in memory.
func output(cmd *exec.Cmd) (out []byte, err error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out, err = readAll(pipe, 4<<10, maxOutput)
	if err == nil && len(out) > maxOutput {
		err = fmt.Errorf("it prints more than %d bytes", maxOutput)
	}
	_ = pipe.Close() // ends one that goes on to print
	if ended := cmd.Wait(); ended != nil && err == nil {
		err = ended
		if exit, ok := errors.AsType[*exec.ExitError](ended); ok {
			exit.Stderr = said.Bytes()
		}
	}
	if err != nil {
		clear(out)
		return nil, err
	}
	return out, nil
}
