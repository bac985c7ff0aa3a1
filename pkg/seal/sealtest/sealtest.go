// Package sealtest makes random configuration files with secrets, for tests that compare this project's reading of the
// SOPS format with others'.
package sealtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Case is a random file: a plain part, and the secrets that are to be set in it.
type Case struct {
	Plain   *yamldoc.Doc
	Secrets []seal.Change
	Want    *tree.Node // both together, as they should open: numbers that SOPS cannot hold are strings
}

// SecretKeys are the keys under which secrets stand. No plain value has one of them.
var SecretKeys = []string{"token", "api_key", "pässwörd", "a.b", "x|y", "🔑", "with space", "(group)", "on:off", "1.0"}

var plainKeys = []string{
	"name", "url", "ключ", "名前", "on", "yes", "null", "42", "0x1f", "2025-11-21", "~", "a: b", "#c", "-", "'q'", `"dq"`, "true",
	"key with a rather long name that goes on for a while", "tab\tkey", "{b}", "*star", "&amp", "!bang", "e\u0301",
}

// texts leaves out what the YAML writer of sops prints so that nobody can read it, itself included: "<<" becomes
// "!!merge <<", and a string that starts with a line break loses its indentation in a list.
var texts = []string{
	"x", "hunter2", "ünïcödé", "🔑🔑", " leading", "trailing ", "two\nlines", "ends\n", "ends\n\n", "tab\there", "#hash", "a: b",
	"- item", "'single'", `"double"`, `back\slash`, "yes", "No", "on", "null", "~", "true", "1_000", "0b11", "0o17", "017", "12:30:45",
	"2025-11-21", "2025-11-21T10:30:00Z", "1e3", ".5", "0x", "!tag", "&a", "*a", "{a: b}", "[a]", "%d", "@at", "`tick`", "|", ">", "---", "...",
	"ENC[", "sops", "=", "?", "nel\u0085nel", "ls\u2028ls", "bom\ufeffbom", "crlf\r\ncrlf", "\u00a0", "0", "-1", "+1", "1.0", "NaN", ".inf",
}

var numbers = []string{
	"0", "1", "-1", "42", "9223372036854775807", "-9223372036854775808", "0.5", "-3.25", "0.70", "3.0", "1e-06", "1e3", "123456789.5", "+5", "007",
	"1e21", "0.1", "100000000000000000000.5", "2.2250738585072014e-308",
}

// secretNumbers are beyond what SOPS reads where they are in plain.
var secretNumbers = []string{"9223372036854775808", "18446744073709551616", "123456789012345678901234567890", ".inf", "-.inf", ".nan", "0o17"}

// New makes a random file in the house style. It fails only if the tree cannot be written.
func New(rng *rand.Rand) (*Case, error) {
	c := &Case{}
	plain := c.fields(rng, nil, 3)
	var err error
	if c.Plain, err = yamldoc.New("config/acme/production/inference.yaml", tree.NewMap(plain...)); err != nil {
		return nil, fmt.Errorf("write a random file: %w", err)
	}
	// One secret is there in any case, or there is nothing to encrypt.
	c.Secrets = append(c.Secrets, seal.Change{Path: tree.Keys("always"), Value: tree.NewString("secret"), Secret: true})
	edits := make([]yamldoc.Edit, len(c.Secrets))
	for i, s := range c.Secrets {
		edits[i] = yamldoc.Edit{Path: s.Path, Value: held(s.Value)}
	}
	all, err := c.Plain.Apply(edits...)
	if err != nil {
		return nil, fmt.Errorf("write a random file: %w", err)
	}
	c.Want = all.Root()
	return c, nil
}

// fields makes the fields of a map at a path, and notes the secrets that go into it.
func (c *Case) fields(rng *rand.Rand, at tree.Path, depth int) []tree.Field {
	var out []tree.Field
	for _, key := range pick(rng, plainKeys, 1+rng.IntN(5)) {
		here := append(at.Clone(), tree.Key(key))
		out = append(out, tree.Field{Key: key, Value: c.value(rng, here, depth-1)})
	}
	for _, key := range pick(rng, SecretKeys, rng.IntN(3)) {
		c.Secrets = append(c.Secrets, seal.Change{Path: append(at.Clone(), tree.Key(key)), Value: secretValue(rng, depth-1), Secret: true})
	}
	return out
}

func (c *Case) value(rng *rand.Rand, at tree.Path, depth int) *tree.Node {
	switch k := rng.IntN(8); {
	case k == 0 && depth > 0:
		items := make([]*tree.Node, rng.IntN(4))
		for i := range items {
			items[i] = c.value(rng, append(at.Clone(), tree.Index(i)), depth-1)
		}
		return tree.NewList(items...)
	case k <= 2 && depth > 0:
		return tree.NewMap(c.fields(rng, at, depth)...)
	}
	return scalar(rng, numbers)
}

// secretValue makes a value that is secret as a whole. Its keys may be any.
func secretValue(rng *rand.Rand, depth int) *tree.Node {
	switch k := rng.IntN(8); {
	case k == 0 && depth > 0:
		items := make([]*tree.Node, rng.IntN(4))
		for i := range items {
			items[i] = secretValue(rng, depth-1)
		}
		return tree.NewList(items...)
	case k == 1 && depth > 0:
		var fields []tree.Field
		for _, key := range pick(rng, slices.Concat(plainKeys, SecretKeys), rng.IntN(4)) {
			fields = append(fields, tree.Field{Key: key, Value: secretValue(rng, depth-1)})
		}
		return tree.NewMap(fields...)
	}
	return scalar(rng, slices.Concat(numbers, secretNumbers))
}

func scalar(rng *rand.Rand, numbers []string) *tree.Node {
	switch rng.IntN(8) {
	case 0:
		return tree.NewNull()
	case 1:
		return tree.NewBool(rng.IntN(2) == 0)
	case 2, 3:
		if n, err := tree.NewNumber(numbers[rng.IntN(len(numbers))]); err == nil {
			return n
		}
	}
	return text(rng)
}

func text(rng *rand.Rand) *tree.Node {
	switch rng.IntN(20) {
	case 0:
		return tree.NewString("")
	case 1:
		// Thousands of digits are a number to one reader and, being out of range, a string to another.
		long := strings.Repeat(texts[rng.IntN(len(texts))], 1000)
		if kind, _ := tree.Resolve(long); kind == tree.String {
			return tree.NewString(long)
		}
	case 2:
		return tree.NewString(texts[rng.IntN(len(texts))] + texts[rng.IntN(len(texts))])
	}
	return tree.NewString(texts[rng.IntN(len(texts))])
}

// held gives a value as it is held when it is encrypted: a number that would change its spelling is a string.
func held(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Int:
		if i, err := strconv.ParseInt(n.Text(), 10, 64); err != nil || strconv.FormatInt(i, 10) != n.Text() {
			return tree.NewString(n.Text())
		}
	case tree.Float:
		if f, err := strconv.ParseFloat(n.Text(), 64); err != nil || strconv.FormatFloat(f, 'f', -1, 64) != n.Text() {
			return tree.NewString(n.Text())
		}
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			items[i] = held(item)
		}
		return tree.NewList(items...)
	case tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = held(fields[i].Value)
		}
		return tree.NewMap(fields...)
	}
	return n
}

// pick gives n different keys.
func pick(rng *rand.Rand, keys []string, n int) []string {
	order := rng.Perm(len(keys))
	out := make([]string, 0, n)
	for _, i := range order[:n] {
		out = append(out, keys[i])
	}
	return out
}

// Same compares trees, numbers as floating-point values: that is how SOPS prints them.
func Same(a, b *tree.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && (x == y || x != x && y != y)
	}
	if a.Kind != b.Kind || a.Len() != b.Len() {
		return false
	}
	for _, f := range a.Fields() {
		if !Same(f.Value, b.Field(f.Key)) {
			return false
		}
	}
	for i, item := range a.Items() {
		if !Same(item, b.Items()[i]) {
			return false
		}
	}
	return a.Reveal() == b.Reveal()
}

func number(n *tree.Node) (float64, bool) {
	if n.Kind != tree.Int && n.Kind != tree.Float {
		return 0, false
	}
	r, ok := n.WithText(n.Kind, n.Reveal()).Number()
	if !ok {
		f, err := strconv.ParseFloat(strings.Replace(n.Reveal(), ".", "", 1), 64)
		return f, err == nil
	}
	f, _ := r.Float64()
	return f, true
}
