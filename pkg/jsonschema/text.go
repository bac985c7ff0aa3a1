package jsonschema

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
)

// pattern gives a regular expression as CUE has it. JSON Schema means those of ECMAScript; of them only what looks around
// or back is missing.
func (t *translator) pattern(expr string, pos diag.Position) string {
	expr = codeUnit().ReplaceAllStringFunc(expr, func(m string) string {
		if strings.HasPrefix(m, `\\`) {
			return m
		}
		return `\x{` + m[2:] + `}`
	})
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		t.refuse(t.rules.Invalid, pos, err.Error(), "regular expressions are those of RE2: they cannot look ahead, behind or back")
	}
	return expr
}

var codeUnit = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\\\|\\u[0-9A-Fa-f]{4}`) })

// format gives what a format demands; "" for those that are not checked.
func (t *translator) format(name string) string {
	switch name {
	case "date-time":
		t.imports["time"] = true
		return "time.Time"
	case "date":
		return t.call("time", "Format", `"2006-01-02"`)
	case "time":
		return t.call("time", "Format", `"15:04:05Z07:00"`)
	case "duration":
		return "=~" + quote(`^P(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)$`) + " & =~" + quote(`[0-9]`) + " & !~" + quote(`T$`)
	case "email":
		return "=~" + quote(`^[^@\s]+@[^@\s]+$`)
	case "hostname":
		return "=~" + quote(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
	case "ipv4":
		return t.call("net", "IPv4")
	case "ipv6":
		return t.call("net", "IPv6")
	case "uri":
		return t.call("net", "AbsURL")
	case "uri-reference":
		return t.call("net", "URL")
	case "uuid":
		return "=~" + quote(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	case "regex":
		return t.call("regexp", "Valid")
	}
	return ""
}
