package validate

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

func TestCacheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "cache")
	a, b, gone := cacheKey{1}, cacheKey{2}, cacheKey{3}
	wrong := outcome{addresses: 3, files: 2, fitting: true, forms: []string{strings.Repeat("\xfe", 32), ""}, unopened: []string{"config/acme/base/x.yaml"}, findings: diag.List{{
		Code: "schema-bound", Severity: diag.Warning, Message: "m", Hint: "h", Position: diag.Position{File: "f", Line: 1, Column: 2},
		Related: []diag.Related{{Position: diag.Position{File: "g"}, Message: "here"}}, Address: "a/b/c", Key: "k",
	}}}
	c := OpenCache(file, "lcm 1")
	if _, ok := c.get(a); ok {
		t.Fatal("something is known in the beginning")
	}
	c.put(a, outcome{addresses: 1})
	c.put(b, wrong)
	c.put(gone, outcome{})
	if err := c.Save(true); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	c = OpenCache(file, "lcm 1")
	if o, ok := c.get(b); !ok || !reflect.DeepEqual(o, wrong) {
		t.Errorf("%+v", o)
	}
	if o, ok := c.get(a); !ok || o.addresses != 1 {
		t.Errorf("%+v", o)
	}
	if err := c.Save(false); err != nil { // a run over a part: the third stays
		t.Fatal(err)
	}
	if c = OpenCache(file, "lcm 1"); len(c.known) != 3 {
		t.Errorf("%d known", len(c.known))
	}
	for i := range 10 {
		c.put(cacheKey{9, byte(i)}, outcome{})
	}
	if err := c.Save(true); err != nil {
		t.Fatal(err)
	}
	c = OpenCache(file, "lcm 1")
	c.get(a)
	if err := c.Save(true); err != nil { // over everything: what it did not come across is dropped, as it is much
		t.Fatal(err)
	}
	if c = OpenCache(file, "lcm 1"); len(c.known) != 1 {
		t.Errorf("%d known", len(c.known))
	}

	if c := OpenCache(file, "lcm 2"); len(c.known) != 0 {
		t.Error("another program takes over what this one found")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		if _, err := c.decode(damaged); err == nil {
			t.Fatalf("byte %d can change unseen", i)
		}
		if _, err := c.decode(data[:i]); err == nil {
			t.Fatalf("cut off after %d bytes it is read", i)
		}
	}
	var none *Cache
	if _, ok := none.get(a); ok {
		t.Error("no cache knows something")
	}
	none.put(a, outcome{})
}

func FuzzCache(f *testing.F) {
	c := &Cache{fresh: map[cacheKey]outcome{{7}: {addresses: 300, findings: diag.List{{Code: "x", Severity: diag.Error}}}}}
	data, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body) // or nothing but the checksum would ever be looked at
		known, err := c.decode(append(bytes.Clone(body), sum[:]...))
		if err != nil {
			return
		}
		again := &Cache{fresh: known}
		data, err := again.encode()
		if err != nil {
			t.Fatal(err)
		}
		if second, err := c.decode(data); err != nil || len(second) != len(known) {
			t.Errorf("%d parts read back as %d, %v", len(known), len(second), err)
		}
	})
}
