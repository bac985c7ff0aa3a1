package validate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Cache keeps what checking came to, from one run to the next, so that what has not changed is not checked again. What is
// known of a part of the configuration is found by a digest over everything that the outcome depends on: the content of every
// file with a part in it, which private keys are at hand, and the program itself. No time and no name of a file decides.
//
// It is safe for concurrent use. Processes may share a file: the last one to save wins.
type Cache struct {
	path    string
	program [sha256.Size]byte

	mu     sync.Mutex
	known  map[cacheKey]outcome // of earlier runs
	fresh  map[cacheKey]outcome // of this run, those found included
	missed bool                 // something had to be checked
}

type cacheKey [sha256.Size]byte

// outcome is what checking one part of the configuration came to.
type outcome struct {
	addresses, files int
	findings         diag.List
	unopened         []string // files with secrets that no identity at hand opens
	fitting          bool     // of layer files: what their secrets are fits the schema, whatever stands around it
	forms            []string // of layer files, in their order: see layerForm
}

const (
	cacheMagic = "lcm validate 3\n"
	maxCache   = 256 << 20 // bytes; a larger file is not ours
)

// OpenCache reads the cache in a file. One that is missing, damaged, or written by another program is empty: program names
// the one that runs exactly, as another build may check differently.
func OpenCache(path, program string) *Cache {
	c := &Cache{path: path, program: sha256.Sum256([]byte(program)), known: map[cacheKey]outcome{}, fresh: map[cacheKey]outcome{}}
	if known, err := c.read(); err == nil {
		c.known = known
	}
	return c
}

// get gives what is known under a key, of earlier runs or by now.
func (c *Cache) get(key cacheKey) (outcome, bool) {
	if c == nil {
		return outcome{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.known[key]
	if !ok {
		c.missed = true
		o, ok = c.fresh[key]
		return o, ok
	}
	c.fresh[key] = o
	return o, ok
}

func (c *Cache) put(key cacheKey, o outcome) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh[key] = o
}

// Save writes what this run found or was told, and what was known before. After a run over everything, what it did not come
// across is dropped once there is much of it: it belongs to states that will hardly come back.
func (c *Cache) Save(everything bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !everything || len(c.known) <= 4*len(c.fresh) {
		for key, o := range c.known {
			if _, ok := c.fresh[key]; !ok {
				c.fresh[key] = o
			}
		}
	}
	if !c.missed && len(c.fresh) == len(c.known) {
		return nil
	}
	data, err := c.encode()
	if err != nil {
		return fmt.Errorf("save cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return fmt.Errorf("save cache: %w", err)
	}
	if err := renameio.WriteFile(c.path, data, 0o600); err != nil {
		return fmt.Errorf("save cache: %w", err)
	}
	return nil
}

// encode gives the file: the magic, the program, then for each part its key, two counts, a mark, the forms of files, and its
// findings as JSON where there are any; at the end a checksum.
func (c *Cache) encode() ([]byte, error) {
	b := bytes.NewBufferString(cacheMagic)
	b.Write(c.program[:])
	var n [binary.MaxVarintLen64]byte
	number := func(v int) { b.Write(n[:binary.PutUvarint(n[:], uint64(v))]) }
	for key, o := range c.fresh {
		b.Write(key[:])
		number(o.addresses)
		number(o.files)
		number(map[bool]int{true: 1}[o.fitting])
		number(len(o.forms))
		for _, form := range o.forms {
			b.WriteByte(byte(len(form)))
			b.WriteString(form)
		}
		var rest []byte
		if len(o.findings)+len(o.unopened) > 0 {
			var err error
			if rest, err = json.Marshal(storedOutcome{o.findings, o.unopened}); err != nil {
				return nil, err
			}
		}
		number(len(rest))
		b.Write(rest)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	return b.Bytes(), nil
}

// storedOutcome is the part of an outcome that most have not.
type storedOutcome struct {
	Findings diag.List `json:"findings,omitempty"`
	Unopened []string  `json:"unopened,omitempty"`
}

var errCache = errors.New("not a cache of this program")

func (c *Cache) read() (map[cacheKey]outcome, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCache+1))
	if err != nil || len(data) > maxCache {
		return nil, errors.Join(err, errCache)
	}
	return c.decode(data)
}

func (c *Cache) decode(data []byte) (map[cacheKey]outcome, error) {
	body := len(data) - sha256.Size
	head := append([]byte(cacheMagic), c.program[:]...)
	if body < len(head) || !bytes.HasPrefix(data, head) || sha256.Sum256(data[:body]) != [sha256.Size]byte(data[body:]) {
		return nil, errCache
	}
	b := data[len(head):body]
	number := func() int {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxCache {
			return -1
		}
		b = b[n:]
		return int(v)
	}
	known := map[cacheKey]outcome{}
	for len(b) > 0 {
		if len(b) < sha256.Size {
			return nil, errCache
		}
		key := cacheKey(b[:sha256.Size])
		b = b[sha256.Size:]
		o := outcome{addresses: number(), files: number()}
		fitting := number()
		o.fitting = fitting == 1
		forms := number()
		if forms > len(b) { // each has a byte at least
			return nil, errCache
		}
		for range forms {
			if len(b) == 0 || int(b[0]) >= len(b) {
				return nil, errCache
			}
			o.forms = append(o.forms, string(b[1:1+b[0]]))
			b = b[1+b[0]:]
		}
		size := number()
		if o.addresses < 0 || o.files < 0 || fitting < 0 || fitting > 1 || forms < 0 || size < 0 || size > len(b) {
			return nil, errCache
		}
		if size > 0 {
			var stored storedOutcome
			if err := json.Unmarshal(b[:size], &stored); err != nil {
				return nil, err
			}
			o.findings, o.unopened = stored.Findings, stored.Unopened
			b = b[size:]
		}
		known[key] = o
	}
	return known, nil
}
