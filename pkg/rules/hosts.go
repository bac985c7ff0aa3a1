package rules

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// host is where an environment out of reach uses a host.
type host struct {
	in     address.Address
	key    string
	at     diag.Position
	secret bool // only secrets name it, so that nothing may show it
}

// isolate reports the values of an address that name a host of an environment that is out of reach.
func (c *checker) isolate(ctx context.Context, a address.Address, root *tree.Node) error {
	if selects(c.rule.Isolate.From, a.Environment) {
		return nil
	}
	if c.hosts == nil {
		if err := c.collect(ctx); err != nil {
			return err
		}
	}
	if len(c.hosts) == 0 {
		return nil
	}
	root, err := c.reveal(ctx, root)
	if err != nil {
		return err
	}
	for path, n := range root.Leaves() {
		if n.Kind != tree.String || n.Sealed {
			continue
		}
		for word := range words(n.Reveal()) {
			h, ok := c.hosts[word]
			if !ok || c.allowed(word) {
				continue
			}
			if !strings.Contains(word, ".") && !slices.Contains(slices.Collect(hosts(path, n.Reveal())), word) {
				continue // a bucket's name can be any word
			}
			c.report(a, path, n.Pos, c.reaches(a, path, word, h, n.Secret))
			break // one host of a value is enough to find
		}
	}
	return nil
}

// reaches makes the finding of a value that names a host out of reach. Where one of the two places is a secret it shows neither
// the host nor the other place, from which it could be read.
func (c *checker) reaches(a address.Address, path tree.Path, name string, h host, secret bool) diag.Finding {
	env := h.in.Environment
	if secret || h.secret {
		return diag.Finding{
			Code: CodeIsolation, Message: fmt.Sprintf("this names a host of %s, which %s may not reach", env, a.Environment),
			Hint: fmt.Sprintf("give %s one of its own; or, if both may use it, name it under allow: in the rule", a.Environment),
		}
	}
	return diag.Finding{
		Code: CodeIsolation, Message: fmt.Sprintf("%q is a host of %s, which %s may not reach", name, env, a.Environment),
		Hint:    fmt.Sprintf("give %s one of its own: %s; or, if both may use it, name it under allow: in the rule", a.Environment, set(a, path)),
		Related: []diag.Related{{Position: inLayer(h.at, h.in), Message: fmt.Sprintf("%s uses it here, for %s of %s", env, h.key, h.in.Namespace)}},
	}
}

func (c *checker) reveal(ctx context.Context, root *tree.Node) (*tree.Node, error) {
	if c.Reveal == nil {
		return root, nil
	}
	return c.Reveal(ctx, root)
}

// ofEnvironment reports whether a layer file is one of an environment, and not of a folder that lies under several.
func (c *checker) ofEnvironment(file string) bool {
	parts := strings.Split(file, "/")
	return len(parts) == 4 && parts[0] == address.Root && slices.Contains(c.Environments, parts[2])
}

// collect gathers the hosts of the environments out of reach: those that their own layers name, and where it is strict what
// they inherit from layers that lie under all environments, too.
func (c *checker) collect(ctx context.Context) error {
	c.hosts = map[string]host{}
	for _, env := range c.Environments {
		if !selects(c.rule.Isolate.From, env) {
			continue
		}
		for _, ns := range c.Namespaces {
			if !selects(c.rule.Namespaces, ns) {
				continue
			}
			a := address.Address{Tenant: c.Tenant, Environment: env, Namespace: ns}
			root, _, err := c.Tree(ctx, a)
			if err != nil {
				return err
			}
			if root == nil {
				continue
			}
			if root, err = c.reveal(ctx, root); err != nil {
				return err
			}
			for path, n := range root.Leaves() {
				if n.Kind != tree.String || n.Sealed || !c.rule.Isolate.Strict && !c.ofEnvironment(n.Pos.File) {
					continue
				}
				for name := range hosts(path, n.Reveal()) {
					if old, ok := c.hosts[name]; !ok || old.secret && !n.Secret {
						c.hosts[name] = host{a, path.String(), n.Pos, n.Secret}
					}
				}
			}
		}
	}
	return nil
}

func (c *checker) allowed(name string) bool {
	return slices.ContainsFunc(c.rule.Isolate.Allow, func(allow string) bool {
		if domain, ok := strings.CutPrefix(allow, "*."); ok {
			return strings.HasSuffix(name, "."+domain)
		}
		return strings.EqualFold(allow, name)
	})
}

// longestConnection is the length up to which a text is taken for something to connect to. Longer ones, and those of several
// lines, are prose: a prompt may mention a host that nobody connects to.
const longestConnection = 2048

func connects(text string) bool {
	return len(text) <= longestConnection && !strings.ContainsAny(text, "\n\r")
}

// hosts gives the hosts that a value connects to: of URLs, of host:port, of host=…, and a bare name at a key that says so.
// A name without a dot is another machine in each environment and does not count, but for that of a bucket; loopback
// addresses do not, either.
func hosts(path tree.Path, text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !connects(text) {
			return
		}
		emit := func(name string, bucket bool) bool {
			name = canonical(name)
			return !global(name, bucket) || yield(name)
		}
		rest := text
		for {
			before, after, ok := strings.Cut(rest, "://")
			if !ok {
				break
			}
			authority := after
			if end := strings.IndexAny(after, "/?# \t\"'"); end >= 0 {
				authority = after[:end]
			}
			authority = authority[strings.LastIndexByte(authority, '@')+1:]
			for name := range strings.SplitSeq(authority, ",") { // mongodb://a:1,b:2/db
				if !emit(withoutPort(name), isBucket(before)) {
					return
				}
			}
			rest = after
		}
		if strings.Contains(text, "://") {
			return
		}
		named := namesHost(path)
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t,;()", r) }) {
			key, value, assigned := strings.Cut(part, "=")
			switch {
			case assigned && namesHostKey(key):
				part = value
			case assigned:
				continue
			case !named && !hasPort(part):
				continue
			}
			if at := strings.LastIndexByte(part, '@'); at >= 0 {
				if !hasPort(part) {
					continue // a mail address
				}
				part = part[at+1:]
			}
			part, _, _ = strings.Cut(part, "/")
			if !emit(withoutPort(part), named && isBucketKey(path)) {
				return
			}
		}
	}
}

// words gives the parts of a value that could be hosts, whatever it is: every run of the characters that names are made of.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !connects(text) {
			return
		}
		url := strings.Contains(text, "://")
		start := -1
		for i := 0; i <= len(text); i++ {
			if i < len(text) && nameByte(text[i]) {
				if start < 0 {
					start = i
				}
				continue
			}
			if start >= 0 {
				mail := start > 0 && text[start-1] == '@' && !url && (i == len(text) || text[i] != ':')
				if !mail && !yield(canonical(text[start:i])) {
					return
				}
			}
			start = -1
		}
	}
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
}

func canonical(name string) string { return strings.ToLower(strings.Trim(name, ".")) }

// global reports whether a name means the same machine wherever it is used.
func global(name string, bucket bool) bool {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 || !nameByte(byte(r)) }) {
		return false
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return !ip.IsLoopback() && !ip.IsUnspecified()
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return false
	}
	return bucket || strings.Contains(name, ".")
}

// isBucket reports whether the scheme before :// is that of an object store, whose authority is a bucket.
func isBucket(before string) bool {
	scheme := before
	if i := strings.LastIndexFunc(before, func(r rune) bool { return !nameByte(byte(min(r, 0x7f))) }); i >= 0 {
		scheme = before[i+1:]
	}
	return slices.Contains([]string{"s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "wasb", "wasbs", "r2", "oss", "cos", "b2"}, strings.ToLower(scheme))
}

// hasPort reports whether a text ends in :port.
func hasPort(text string) bool {
	text, _, _ = strings.Cut(text, "/")
	i := strings.LastIndexByte(text, ':')
	if i <= 0 || i == len(text)-1 || len(text)-i > len(":65535") {
		return false
	}
	return strings.Trim(text[i+1:], "0123456789") == ""
}

func withoutPort(text string) string {
	if hasPort(text) {
		return text[:strings.LastIndexByte(text, ':')]
	}
	return text
}

// lastKey gives the last word of the last key on a path: url of upstreams.router.base_url.
func lastKey(p tree.Path) string {
	for _, step := range slices.Backward(p) {
		if key, ok := step.AsKey(); ok {
			return lastWord(key)
		}
	}
	return ""
}

func lastWord(key string) string {
	return strings.ToLower(key[strings.LastIndexAny(key, "_-.")+1:])
}

// namesHost reports whether the last key on a path says that its value is a host.
func namesHost(p tree.Path) bool { return namesHostKey(lastKey(p)) || isBucketKey(p) }

func isBucketKey(p tree.Path) bool { return lastKey(p) == "bucket" }

func namesHostKey(key string) bool {
	switch lastWord(key) {
	case "host", "hosts", "hostname", "hostnames", "hostaddr", "address", "addresses", "addr", "server", "servers", "endpoint", "endpoints",
		"domain", "domains", "broker", "brokers", "url", "urls":
		return true
	}
	return false
}
