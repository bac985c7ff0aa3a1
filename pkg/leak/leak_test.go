package leak

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// What looks like a secret is put together here, so that this file holds none.
var (
	awsKey   = "AKIA" + "Z7QW2XN5RB4TLKCP"
	ghToken  = "ghp_" + "x7Kq2Lm9Rt4Wz8Yb3Nc6Vd1Fg5Hj0PsQaEuI"
	ageKey   = "AGE-SECRET-" + "KEY-1QQPQYRZPZUXLSRA9Q3ZV6HJ2HKDDNFAYTXLYE6NZVFZ8XAQP6UYQKMRNKD"
	password = "hunter2-" + "and-more"
	pem      = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + strings.Repeat("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n", 6) + "-----END OPENSSH PRIVATE KEY-----\n"
	sealed1  = "ENC[AES256_GCM,data:x7Kq2Lm9Rt4Wz8Yb3Nc6Vd1Fg5Hj0Ps=,iv:Zt3c0L5dRk7Yb1Qn8Wm2Xs4Vg6Hj9Pq0aEuIoKlMnBv=,tag:Rt4Wz8Yb3Nc6Vd1Fg5Hj0A==,type:str]"
)

func scanner(t testing.TB) *Scanner {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func places(found []Match) []string {
	out := []string{}
	for _, m := range found {
		out = append(out, fmt.Sprintf("%d:%d %s", m.Line, m.Column, m.Rule))
	}
	return out
}

func TestScan(t *testing.T) {
	s := scanner(t)
	tests := []struct {
		name, path, content string
		want                []string
	}{
		{"nothing", "a.yaml", "model: gpt-4o\nmax_tokens: 4096\n", nil},
		{"a token", "a.yaml", "# note\nhook: " + awsKey + "\n", []string{"2:7 aws-access-token"}},
		{"in characters, not bytes", "a.yaml", "é: \"ü " + awsKey + "\"\n", []string{"1:7 aws-access-token"}},
		{"two on a line", "a.md", "use " + awsKey + " and " + ghToken + " here\n", []string{"1:5 aws-access-token", "1:30 github-pat"}},
		{"the specific rule wins", "a.yaml", "api_key: " + ghToken + "\n", []string{"1:10 github-pat"}},
		{"a field by its name", "a.yaml", "db:\n  password: " + password + "\n", []string{"2:13 secret-field"}},
		{"quoted, in JSON", "a.json", "{\n  \"client_secret\": \"" + password + "\"\n}\n", []string{"2:21 secret-field"}},
		{"in an environment file", ".env.local", "export DB_PASSWORD=" + password + "\n", []string{"1:20 secret-field"}},
		{"not in prose", "a.md", "password: " + password + "\n", nil},
		{"a URL", "a.md", "postgres://app:" + password + "@db.internal/x\n", []string{"1:16 url-password"}},
		{"a URL with a variable", "a.yaml", "dsn: postgres://app:${DB_PASSWORD}@db.internal/x\n", nil},
		{"references", "a.yaml", "password: ${DB_PASSWORD}\napi_key: vault:secret/data/x#key\ntoken: '{{ token }}'\npassword: <your password>\n", nil},
		{"an empty secret", "a.yaml", "password: \"\"\napi_key:\nother: something-else-1\n", nil},
		{"an age identity", "key.txt", "# public key: age1sduxnjf2e0yapzqeg44mfyzll5sm4nptykph488ysq2uzzexmf3sy9vztu\n" + ageKey + "\n", []string{"2:1 age-secret-key"}},
		{"a private key", "key", "x\n" + pem, []string{"2:1 private-key"}},
		{"a key store", "certs/server.p12", "\x00\x01", []string{"0:0 pkcs12-file"}},
		{"a lock file", "package-lock.json", awsKey, nil},
		{"binary", "a.bin2", "\x00" + awsKey, nil},
		{"sealed", "a.yaml", "api_key: " + sealed1 + "\nsops:\n  mac: " + sealed1 + "\n", nil},
		{"hidden beside what is sealed", "a.yaml", "api_key: " + sealed1 + " # " + awsKey + "\n", []string{fmt.Sprintf("1:%d aws-access-token", 13+len(sealed1))}},
		{"no real seal", "a.yaml", "x: ENC[AES256_GCM,data:" + awsKey + "]\n", []string{"1:24 aws-access-token"}},
		{"CRLF", "a.yaml", "a: 1\r\npassword: " + password + "\r\n", []string{"2:11 secret-field"}},
		{"no line break at the end", "a.yaml", "password: " + password, []string{"1:11 secret-field"}},
		{"many lines", "a.yaml", strings.Repeat("x: 1\n", 500) + "hook: " + awsKey + "\n" + strings.Repeat("x: 1\n", 500), []string{"501:7 aws-access-token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := places(s.Scan(tt.path, []byte(tt.content))); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestArmourIsNoSecret(t *testing.T) {
	body := "        YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSB4N0txMkxtOVJ0NFd6OFli\n"
	block := "sops:\n  age:\n    - recipient: age1x\n      enc: |\n        -----BEGIN AGE ENCRYPTED FILE-----\n%s        -----END AGE ENCRYPTED FILE-----\n"
	s := scanner(t)
	if got := s.Scan("a.yaml", fmt.Appendf(nil, block, body)); len(got) > 0 {
		t.Errorf("found %q in a data key", places(got))
	}
	if got := s.Scan("a.yaml", fmt.Appendf(nil, block, body+"        token: "+awsKey+"\n")); len(got) != 1 {
		t.Errorf("a secret inside of what only looks like a data key: found %q", places(got))
	}
}

func TestAllow(t *testing.T) {
	s := scanner(t)
	tests := []struct {
		name, content string
		want          []string
	}{
		{"with a reason", "hook: " + awsKey + " # lcm:allow-secret made up for the tests\n", nil},
		{"above", "# lcm:allow-secret made up for the tests\nhook: " + awsKey + "\n", nil},
		{"above, indented, CUE", "a: {\n\t// lcm:allow-secret made up\n\thook: \"" + awsKey + "\"\n}\n", nil},
		{"no reason", "hook: " + awsKey + " # lcm:allow-secret\n", []string{"1:7 aws-access-token", "1:30 allow-without-reason"}},
		{"punctuation is no reason", "hook: " + awsKey + " # lcm:allow-secret: --\n", []string{"1:7 aws-access-token", "1:30 allow-without-reason"}},
		{"no reason, no secret", "hook: 1 # lcm:allow-secret\n", []string{"1:11 allow-without-reason"}},
		{"only its own line and the next", "# lcm:allow-secret made up\nhook: 1\nhook: " + awsKey + "\n", []string{"3:7 aws-access-token"}},
		{"the comment of one line does not reach the next", "a: 1 # lcm:allow-secret made up\nhook: " + awsKey + "\n", []string{"2:7 aws-access-token"}},
		{"not in a value", "hook: " + awsKey + " lcm:allow-secret made up\n", []string{"1:7 aws-access-token"}},
		{"in HTML", "<!-- lcm:allow-secret made up -->\n" + awsKey + "\n", nil},
		{"in HTML without a reason", "<!-- lcm:allow-secret -->\n", []string{"1:6 allow-without-reason"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := places(s.Scan("a.yaml", []byte(tt.content))); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	s := scanner(t)
	of := func(path, content string) string {
		t.Helper()
		found := s.Scan(path, []byte(content))
		if len(found) != 1 {
			t.Fatalf("%s: %q", content, places(found))
		}
		return found[0].Fingerprint
	}
	base := of("a.yaml", "x: 1\nhook: "+awsKey+"\n")
	if got := of("a.yaml", "x: 2\ny: 3\n  hook: "+awsKey+"\n"); got != base {
		t.Error("lines around it change the fingerprint")
	}
	if of("b.yaml", "hook: "+awsKey+"\n") == base || of("a.yaml", "other: "+awsKey+"\n") == base {
		t.Error("another place has the same fingerprint")
	}
	if of("a.yaml", "hook: "+awsKey[:19]+"Q\n") == base {
		t.Error("another secret has the same fingerprint")
	}
}

// TestRules compiles every expression, and sees to it that the file of Gitleaks holds nothing that is not understood here.
func TestRules(t *testing.T) {
	rules, global, err := loadRules()
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) < 200 {
		t.Fatalf("%d rules", len(rules))
	}
	seen := map[string]bool{}
	check := func(rule string, p pattern) {
		if p.isZero() {
			return
		}
		if _, err := regexp.Compile(p.text); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
	lists := slices.Clone(global)
	for _, r := range rules {
		if seen[r.ID] || r.ID == "" || r.Description == "" {
			t.Errorf("%q: twice, or without a name or a description", r.ID)
		}
		seen[r.ID] = true
		check(r.ID, r.Regex)
		check(r.ID, r.Path)
		for _, w := range r.Keywords {
			if w != strings.ToLower(w) {
				t.Errorf("%s: keyword %q is not in lower case", r.ID, w)
			}
		}
		if len(r.Keywords) == 0 && !r.Regex.isZero() {
			t.Errorf("%s would be tried on every file: it has no keyword", r.ID)
		}
		lists = append(lists, r.Allowlists...)
	}
	for _, l := range lists {
		for _, p := range append(slices.Clone(l.Regexes), l.Paths...) {
			check("allowlist", p)
		}
		for _, w := range l.Stopwords {
			if w != strings.ToLower(w) {
				t.Errorf("stopword %q is not in lower case", w)
			}
		}
	}
	for _, name := range []string{"rules/gitleaks.toml", "rules/lcm.toml"} {
		src, err := ruleFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := toml.NewDecoder(strings.NewReader(string(src))).DisallowUnknownFields().Decode(&ruleFile{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeywords compares the automaton with looking for each word.
func TestKeywords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB"[r.IntN(4)]
		}
		return string(b)
	}
	for range 300 {
		var words [][]string
		for range 5 {
			words = append(words, []string{strings.ToLower(word(1 + r.IntN(4))), strings.ToLower(word(1 + r.IntN(4)))})
		}
		text := word(30)
		want, got := map[string]bool{}, map[string]bool{}
		for rule, list := range words {
			for _, w := range list {
				for i := range text {
					if strings.HasPrefix(strings.ToLower(text[i:]), w) {
						want[fmt.Sprint(rule, i+len(w))] = true
					}
				}
			}
		}
		newKeywords(words).in([]byte(text), func(rule, end int) { got[fmt.Sprint(rule, end)] = true })
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%q in %q: got %v, want %v", words, text, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	s := scanner(f)
	f.Add("a.yaml", []byte("password: "+password+"\n# lcm:allow-secret x\n"))
	f.Add("a", []byte(pem+sealed1))
	f.Fuzz(func(t *testing.T, path string, content []byte) {
		for _, m := range s.Scan(path, content) {
			if m.Line < 0 || m.Line > strings.Count(string(content), "\n")+1 || m.end > len(content) {
				t.Errorf("%+v lies outside", m)
			}
		}
	})
}
