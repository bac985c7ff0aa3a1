package cuesource

import (
	"fmt"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/parser"
)

// A context has what sources may import, each of it, and no more.
func TestContext(t *testing.T) {
	exported := map[string]string{
		"encoding/base64": `Encode(null, 'a') & "YQ=="`, "encoding/hex": `Encode('a') & "61"`, "encoding/json": `Marshal(1) & "1"`,
		"list": `Sum([1, 2]) & 3`, "math": `Floor(1.5) & 1`, "math/bits": `And(3, 1) & 1`, "net": `IPv4 & "10.0.0.1"`,
		"path": `Base("a/b") & "b"`, "regexp": `Match("a", "a") & true`, "strconv": `FormatInt(10, 16) & "a"`,
		"strings": `ToUpper("a") & "A"`, "struct": `MaxFields(1) & {a: 1}`, "time": `Duration & "1s"`,
		"uuid": `Valid & "6ba7b810-9dad-11d1-80b4-00c04fd430c8"`,
	}
	for _, path := range allowedImports {
		ctx := NewContext()
		v := ctx.CompileString(fmt.Sprintf("import p %q\nx: p.%s\n", path, exported[path]))
		if err := v.Validate(cue.Concrete(true)); err != nil || exported[path] == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"encoding/yaml", "encoding/openapi", "tool/exec", "tool/file", "text/template"} {
		if err := NewContext().CompileString(fmt.Sprintf("import p %q\nx: p\n", path)).Validate(); err == nil {
			t.Errorf("%s can be imported", path)
		}
	}
}

// Whatever comes before it may let through: a context has nothing that reads files.
func TestContextReadsNoFile(t *testing.T) {
	f, err := parser.ParseFile("a.cue", "@extern(embed)\npackage a\nx: _ @embed(file=beside.json)\n", parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	inst := &build.Instance{PkgName: "a", Files: []*ast.File{f}}
	err = NewContext().BuildInstance(inst).Err()
	if want := `no injection defined for "embed"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, not %s", err, want)
	}
}
