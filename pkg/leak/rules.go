package leak

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

// The licence goes with the rules into the program.
//
//go:embed rules/gitleaks.toml rules/gitleaks.LICENSE rules/lcm.toml
var ruleFiles embed.FS

// ruleFile is a file of rules, in the format of Gitleaks' configuration.
// Source: https://github.com/gitleaks/gitleaks#configuration
type ruleFile struct {
	Title      string    `toml:"title"`
	MinVersion string    `toml:"minVersion"`
	Allowlist  allowlist `toml:"allowlist"` // for all rules
	Rules      []*rule   `toml:"rules"`
}

type rule struct {
	ID          string      `toml:"id"`
	Description string      `toml:"description"`
	Regex       pattern     `toml:"regex"`
	Path        pattern     `toml:"path"` // of the files it is for; without a regex the file itself is the finding
	SecretGroup int         `toml:"secretGroup"`
	Entropy     float64     `toml:"entropy"` // of the secret, in bits per byte: what has no more than this is none
	Keywords    []string    `toml:"keywords"`
	Allowlists  []allowlist `toml:"allowlists"`
}

// multiline reports whether a match may be of any number of lines.
func (r *rule) multiline() bool {
	return strings.Contains(r.Regex.text, `[\s\S`) || strings.Contains(r.Regex.text, `(?s`)
}

// allowlist says what is no finding after all.
type allowlist struct {
	Description string    `toml:"description"`
	Condition   string    `toml:"condition"`   // "AND": all that is given must hold; else any
	RegexTarget string    `toml:"regexTarget"` // "match", "line", or the secret alone
	Regexes     []pattern `toml:"regexes"`
	Paths       []pattern `toml:"paths"`
	Stopwords   []string  `toml:"stopwords"`
}

// pattern is a regular expression that is compiled when it is first used: of hundreds a scan needs a few.
type pattern struct {
	text    string
	compile func() *regexp.Regexp
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *pattern) UnmarshalText(text []byte) error {
	p.text = string(text)
	p.compile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(p.text) }) // a test compiles them all
	return nil
}

func (p pattern) isZero() bool { return p.text == "" }

func (p pattern) match(s string) bool { return p.compile().MatchString(s) }

// loadRules reads the rules that come with the package.
func loadRules() (rules []*rule, global []allowlist, err error) {
	for _, name := range []string{"rules/gitleaks.toml", "rules/lcm.toml"} {
		src, err := ruleFiles.ReadFile(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read rules: %w", err)
		}
		var f ruleFile
		if err := toml.Unmarshal(src, &f); err != nil {
			return nil, nil, fmt.Errorf("read rules %s: %w", name, err)
		}
		rules = append(rules, f.Rules...)
		global = append(global, f.Allowlist)
	}
	return rules, global, nil
}

// allows reports whether one of the lists excuses a candidate. Paths of lists that take any condition are looked at for the
// whole file beforehand.
func allows(lists []allowlist, path string, c candidate) bool {
	for i := range lists {
		if lists[i].allows(path, c) {
			return true
		}
	}
	return false
}

func (a *allowlist) allows(path string, c candidate) bool {
	target := c.secret
	switch a.RegexTarget {
	case "match":
		target = c.match
	case "line":
		target = c.line
	}
	byRegex := matchesAny(a.Regexes, target)
	byWord := a.hasStopword(c.secret)
	if a.Condition != "AND" {
		return byRegex || byWord
	}
	return (len(a.Regexes) == 0 || byRegex) && (len(a.Stopwords) == 0 || byWord) && (len(a.Paths) == 0 || matchesAny(a.Paths, path))
}

func (a *allowlist) hasStopword(secret string) bool {
	if len(a.Stopwords) == 0 {
		return false
	}
	secret = strings.ToLower(secret)
	for _, w := range a.Stopwords {
		if strings.Contains(secret, w) {
			return true
		}
	}
	return false
}

// skips reports whether one of the lists excuses a file whatever is in it.
func skips(lists []allowlist, path string) bool {
	for i := range lists {
		if lists[i].Condition != "AND" && matchesAny(lists[i].Paths, path) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []pattern, s string) bool {
	for _, p := range patterns {
		if p.match(s) {
			return true
		}
	}
	return false
}
