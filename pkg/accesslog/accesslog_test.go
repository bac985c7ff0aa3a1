package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func opened(keys ...string) Access {
	return Access{Action: "get", Outcome: Opened, Address: "acme/production/notes", Keys: keys}
}

func fill(t *testing.T, n int) *Log {
	t.Helper()
	l := In(filepath.Join(t.TempDir(), "log"), "access.log")
	for i := range n {
		if err := l.Append(t.Context(), noon.Add(time.Duration(i)*time.Second), Who{User: "ada"}, opened(fmt.Sprint("k", i))); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func read(t *testing.T, l *Log, anchors ...Anchor) *Report {
	t.Helper()
	r, err := l.Read(t.Context(), anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func codes(r *Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%d:%s", f.Position.Line, f.Code))
	}
	return strings.Join(out, " ")
}

func TestAppendAndRead(t *testing.T) {
	l := fill(t, 3)
	if err := l.Append(t.Context(), noon, Who{}, opened("a"), opened("b")); err != nil {
		t.Fatal(err)
	}
	r := read(t, l)
	if len(r.Entries) != 5 || len(r.Findings) != 0 || r.Head.Count != 5 || r.Entries[4].Keys[0] != "b" {
		t.Errorf("%+v", r)
	}
	for file, mode := range map[string]os.FileMode{".": 0o700, LogFile: 0o600, headFile: 0o600, lockFile: 0o600} {
		info, err := os.Stat(filepath.Join(l.dir, file))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestAnEmptyLogIsWhole(t *testing.T) {
	if r := read(t, fill(t, 0)); len(r.Findings) != 0 || r.Head != (Anchor{}) {
		t.Errorf("%+v", r)
	}
}

// change rewrites a file of a log.
func change(t *testing.T, l *Log, file string, to func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(l.dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data = to(data); data == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func lines(to func([][]byte) [][]byte) func([]byte) []byte {
	return func(data []byte) []byte { return bytes.Join(to(bytes.SplitAfter(data, []byte("\n"))), nil) }
}

func TestTampering(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		to   func([]byte) []byte
		want string
	}{
		"an entry changed": {LogFile, func(b []byte) []byte { return bytes.Replace(b, []byte("k1"), []byte("k7"), 1) }, "3:access-log-chain"},
		"the last entry changed": {
			LogFile, func(b []byte) []byte { return bytes.Replace(b, []byte("k4"), []byte("k7"), 1) }, "5:access-log-head",
		},
		"an entry removed":     {LogFile, lines(func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }), "2:access-log-chain 3:access-log-chain 4:access-log-chain 4:access-log-truncated"},
		"the first removed":    {LogFile, lines(func(l [][]byte) [][]byte { return l[1:] }), "1:access-log-chain 2:access-log-chain 3:access-log-chain 4:access-log-chain 4:access-log-truncated"},
		"the last removed":     {LogFile, lines(func(l [][]byte) [][]byte { return l[:4] }), "4:access-log-truncated"},
		"all removed":          {LogFile, func([]byte) []byte { return []byte{} }, "0:access-log-truncated"},
		"the log removed":      {LogFile, func([]byte) []byte { return nil }, "0:access-log-truncated"},
		"an entry copied":      {LogFile, lines(func(l [][]byte) [][]byte { return append(l[:5], l[4]) }), "6:access-log-chain"},
		"two exchanged":        {LogFile, lines(func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }), "2:access-log-chain 3:access-log-chain 4:access-log-chain"},
		"a line that is none":  {LogFile, lines(func(l [][]byte) [][]byte { return slices.Insert(l, 5, []byte("{}\n")) }), "6:access-log-entry"},
		"the head removed":     {headFile, func([]byte) []byte { return nil }, "0:access-log-head"},
		"the head garbled":     {headFile, func([]byte) []byte { return []byte("x") }, "0:access-log-head"},
		"the head of no entry": {headFile, func([]byte) []byte { return []byte(`{"count":5,"hash":"00"}`) }, "5:access-log-head"},
	} {
		t.Run(name, func(t *testing.T) {
			l := fill(t, 5)
			change(t, l, c.file, c.to)
			if got := codes(read(t, l)); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			// What only the chain in the middle shows is not looked for at each append; what touches the end is.
			if slices.Contains([]string{"an entry changed", "two exchanged", "an entry removed", "the first removed", "an entry copied"}, name) {
				return
			}
			err := l.Append(t.Context(), noon, Who{}, opened("k"))
			if _, ok := errors.AsType[*BrokenError](err); !ok {
				t.Errorf("a broken log was added to: %v", err)
			}
			old, err := l.SetAside(t.Context(), noon, Who{})
			if err != nil {
				t.Fatal(err)
			}
			if r := read(t, l); len(r.Findings) > 0 || len(r.Entries) != 1 || r.Entries[0].Action != "set-aside" {
				t.Errorf("begun anew: %+v", r)
			}
			if _, err := os.Stat(old); (err != nil) != (name == "the log removed") {
				t.Errorf("what was put aside: %v", err)
			}
		})
	}
}

func TestAKilledWriterBreaksNothing(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		to   func(head, data []byte) []byte
	}{
		"before the head": {headFile, func(head, _ []byte) []byte { return head }},
		"in the line":     {LogFile, func(_, data []byte) []byte { return append(data, `{"n":4,"previous`...) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := fill(t, 2)
			before, err := os.ReadFile(filepath.Join(l.dir, headFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Append(t.Context(), noon, Who{}, opened("third")); err != nil {
				t.Fatal(err)
			}
			change(t, l, c.file, func(data []byte) []byte { return c.to(before, data) })
			if r := read(t, l); len(r.Findings) > 0 || r.Uncounted == 0 && !r.Cut {
				t.Errorf("%+v", r)
			}
			if err := l.Append(t.Context(), noon, Who{}, opened("fourth")); err != nil {
				t.Fatal(err)
			}
			if r := read(t, l); len(r.Findings) > 0 || len(r.Entries) != 4 || r.Uncounted > 0 || r.Cut {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("in the first line", func(t *testing.T) {
		l := fill(t, 1)
		change(t, l, headFile, func([]byte) []byte { return []byte(`{"count":0,"hash":""}`) })
		change(t, l, LogFile, func(data []byte) []byte { return data[:20] })
		if err := l.Append(t.Context(), noon, Who{}, opened("k")); err != nil {
			t.Fatal(err)
		}
		if r := read(t, l); len(r.Findings) > 0 || len(r.Entries) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAnchors(t *testing.T) {
	l := fill(t, 3)
	noted := read(t, l).Head
	if err := l.Append(t.Context(), noon, Who{}, opened("k")); err != nil {
		t.Fatal(err)
	}
	again, err := ParseAnchor(noted.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(read(t, l, again)); got != "" {
		t.Error(got)
	}
	// Both files made anew are whole by themselves.
	anew := fill(t, 2)
	if got := codes(read(t, anew, noted)); got != "0:access-log-anchor" {
		t.Error(got)
	}
	if err := anew.Append(t.Context(), noon, Who{User: "mallory"}, opened("x"), opened("y")); err != nil {
		t.Fatal(err)
	}
	if got := codes(read(t, anew)); got != "" {
		t.Error(got)
	}
	if got := codes(read(t, anew, noted)); got != "3:access-log-anchor" {
		t.Error(got)
	}
	for _, text := range []string{"", "3", "0:" + noted.Hash, "x:" + noted.Hash, "3:zz", "3:" + noted.Hash[2:]} {
		if a, err := ParseAnchor(text); err == nil {
			t.Errorf("%q is %v", text, a)
		}
	}
}

func TestConcurrentAppends(t *testing.T) {
	l := fill(t, 0)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			other := In(l.dir, "access.log") // as another process has it
			for j := range 5 {
				if err := other.Append(t.Context(), noon, Who{Process: i}, opened(fmt.Sprint(j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r := read(t, l); len(r.Findings) > 0 || len(r.Entries) != 40 {
		t.Errorf("%d entries, %v", len(r.Entries), r.Findings)
	}
}

func TestManyKeysAreCounted(t *testing.T) {
	l := fill(t, 1)
	keys := slices.Repeat([]string{strings.Repeat("k", 200)}, 2000)
	if err := l.Append(t.Context(), noon, Who{}, opened(keys...), opened("after")); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), noon, Who{}, opened("end")); err != nil {
		t.Fatal(err)
	}
	r := read(t, l)
	if got := r.Entries[1].Keys; len(got) != maxKeys+1 || got[maxKeys] != "… 1500 more" || len(r.Findings) > 0 {
		t.Errorf("%d keys, %v", len(got), r.Findings)
	}
}

func TestALogThatCannotBeWritten(t *testing.T) {
	l := fill(t, 1)
	if err := os.Remove(filepath.Join(l.dir, LogFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(l.dir, headFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), noon, Who{}, opened("k")); err == nil {
		t.Error("an access was not recorded, and nobody told")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("{}\n"), []byte(`{"count":1,"hash":""}`))
	line, _ := json.Marshal(Entry{Number: 1, Access: opened("k")})
	f.Add(append(line, '\n'), []byte(`{"count":-1}`))
	f.Fuzz(func(_ *testing.T, data, head []byte) {
		In("", "access.log").verified(data, head, []Anchor{{Count: 1, Hash: "00"}})
	})
}
