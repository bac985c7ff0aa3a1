package template

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a semantic version without build metadata: https://semver.org/spec/v2.0.0.html.
type Version struct {
	numbers [3]int
	pre     string // "rc.1", "" for a release
}

// ParseVersion reads 1.2.3 or 1.2.3-rc.1.
func ParseVersion(s string) (Version, error) {
	numbers, v, err := parseNumbers(s)
	if err != nil || numbers != len(v.numbers) {
		return Version{}, fmt.Errorf("%q is no version: write three numbers, as 1.2.3", s)
	}
	return v, nil
}

// parseNumbers reads one to three numbers, and behind three of them a pre-release.
func parseNumbers(s string) (count int, v Version, err error) {
	release, pre, isPre := strings.Cut(s, "-")
	parts := strings.Split(release, ".")
	if len(parts) > len(v.numbers) || isPre && (len(parts) < len(v.numbers) || !isPreRelease(pre)) {
		return 0, v, fmt.Errorf("%q is no version", s)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || strconv.Itoa(n) != part {
			return 0, v, fmt.Errorf("%q is no version", s)
		}
		v.numbers[i] = n
	}
	v.pre = pre
	return len(parts), v, nil
}

func isPreRelease(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || isDigits(part) && len(part) > 1 && part[0] == '0' || strings.ContainsFunc(part, func(r rune) bool {
			return !isLetter(r) && !isDigit(r) && r != '-'
		}) {
			return false
		}
	}
	return true
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
func isDigit(r rune) bool  { return r >= '0' && r <= '9' }

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isDigit(r) })
}

// String gives the version as it is written.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.numbers[0], v.numbers[1], v.numbers[2])
	if v.pre != "" {
		s += "-" + v.pre
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler].
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Compare orders versions by precedence, as item 11 of the specification does.
func (v Version) Compare(w Version) int {
	for i := range v.numbers {
		if c := cmp.Compare(v.numbers[i], w.numbers[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.pre == w.pre:
		return 0
	case v.pre == "":
		return 1
	case w.pre == "":
		return -1
	}
	a, b := strings.Split(v.pre, "."), strings.Split(w.pre, ".")
	for i := range min(len(a), len(b)) {
		if c := comparePre(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// comparePre orders two parts of pre-releases: numbers by value and below words.
func comparePre(a, b string) int {
	switch x, y := isDigits(a), isDigits(b); {
	case x && y:
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) // without leading zeros the longer one is larger
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}

// Ref is how a template is named: NAME, or NAME@VERSION where the version may leave numbers off at its end.
type Ref struct {
	Name    string
	version Version
	numbers int // how many numbers of the version count; 0 for any
}

// ParseRef reads NAME, NAME@1, NAME@1.2 or NAME@1.2.3. The name may be that of the file, ending in .yaml.
func ParseRef(s string) (Ref, error) {
	name, version, versioned := strings.Cut(strings.TrimSuffix(s, ext), "@")
	if err := CheckName(name); err != nil {
		return Ref{}, err
	}
	r := Ref{Name: name}
	if !versioned {
		return r, nil
	}
	var err error
	if r.numbers, r.version, err = parseNumbers(version); err != nil {
		return Ref{}, fmt.Errorf("%q: %w: write %s@1, %s@1.2 or %s@1.2.3", s, err, name, name, name)
	}
	return r, nil
}

// String gives the reference as it is written.
func (r Ref) String() string {
	if r.numbers == 0 {
		return r.Name
	}
	if r.numbers == len(r.version.numbers) {
		return r.Name + "@" + r.version.String()
	}
	parts := make([]string, r.numbers)
	for i := range parts {
		parts[i] = strconv.Itoa(r.version.numbers[i])
	}
	return r.Name + "@" + strings.Join(parts, ".")
}

// Means reports whether the reference can mean a template.
func (r Ref) Means(t *Template) bool {
	return r.Name == t.Name && (r.numbers == 0 || r.matches(t.Version))
}

// matches reports whether a version is one that the reference means. A pre-release is meant by its whole version alone.
func (r Ref) matches(v Version) bool {
	if r.numbers == len(v.numbers) {
		return v == r.version
	}
	for i := range r.numbers {
		if v.numbers[i] != r.version.numbers[i] {
			return false
		}
	}
	return v.pre == ""
}

const maxName = 63

// CheckName says whether a template may have a name: lower-case letters, digits, - and _, a letter or digit first.
func CheckName(s string) error {
	ok := s != "" && len(s) <= maxName && s[0] != '-' && s[0] != '_' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && !isDigit(r) && r != '-' && r != '_'
	})
	if !ok {
		return fmt.Errorf("%q is no name of a template: it has lower-case letters, digits, - and _, up to %d of them, a letter or a digit first", s, maxName)
	}
	return nil
}
