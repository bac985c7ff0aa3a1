//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The places of what these tests add to a repository.
const (
	aLayer    = "config/acme/production/notes.yaml"
	aCUELayer = "config/acme/production/notes.cue"
	aTemplate = "templates/extra.yaml"
	aSchema   = "schemas/extra.cue"
	aTenant   = "config/acme/tenant.yaml"
)

const thousand = 1000

// fault is text that no file of a repository may hold.
type fault struct {
	name         string
	text         text
	line, column int // in the text, from 1; 0 where it is about the file
	code         string
}

// place gives where a fault shows that begins behind some lines.
func (f fault) place(file string, lines int) string {
	if f.line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, lines+f.line, f.column)
}

// giants are faults of what is too much for a parser.
func giants() []fault {
	return []fault{
		{"deep list in brackets", repeated("d: ", "[", 100*thousand, "\n"), 1, 10_004, "yaml-syntax"},
		{"deep map in braces", repeated("d: ", "{a: ", 100*thousand, "\n"), 1, 1, "yaml-syntax"},
		{"deep list in lines", repeated("d:\n  ", "- ", 100*thousand, "x\n"), 2, 20_001, "yaml-syntax"},
		{"deep map in lines", stairs(5 * thousand), 101, 101, "yaml-depth"},
		{"deep but closed", repeated("d: ", "[", 101, strings.Repeat("]", 101)+"\n"), 1, 103, "yaml-depth"},
		{"aliases of aliases", laughs(9, 9), 6, 15, "yaml-alias-bomb"},
		{"a chain of merge keys", steps("c0: &c0 {k0: 1}\n", "c%[1]d: &c%[1]d {<<: *c%[2]d, k%[1]d: 1}\n", 20*thousand), 448, 18, "yaml-alias-bomb"},
		{"merge keys that double", steps("m0: &m0 {x: 1}\n", "m%[1]d: &m%[1]d {l: {<<: *m%[2]d}, r: {<<: *m%[2]d}}\n", 40), 16, 20, "yaml-alias-bomb"},
		{"a giant scalar", repeated("x: ", "y", 20*thousand*thousand, "\n"), 0, 0, "yaml-size"},
		{"a giant key", repeated("? ", "y", 2*thousand*thousand, "\n: 1\n"), 1, 3, "yaml-key-size"},
		{"a giant key twice", repeated("? y", "y", 5*thousand, "\n: 1\n? x\n: 1\n? x\n: 1\n"), 1, 3, "yaml-key-size"},
		{"a giant alias", repeated("x: *", "y", 2*thousand*thousand, "\n"), 1, 4, "yaml-unknown-anchor"},
		{"a giant tag", repeated("x: !", "y", 2*thousand*thousand, " 1\n"), 1, 2_000_006, "yaml-tag"},
		{"many small values", repeated("x: [", "1,", 7*thousand*thousand, "1]\n"), 0, 0, "yaml-size"},
		{"many keys", steps("", "k%[1]d: %[2]d\n", 700*thousand), 0, 0, "yaml-size"},
		{"many keys without values", repeated("x: {", "? ", 7*thousand*thousand, "}\n"), 0, 0, "yaml-size"},
	}
}

// slips are faults that a person could make, or a program that writes files.
func slips() []fault {
	return []fault{
		{"an alias in what it repeats", plain("x: &x [1, *x]\n"), 1, 11, "yaml-alias-cycle"},
		{"an alias of nothing", plain("x: *y\n"), 1, 4, "yaml-unknown-anchor"},
		{"bytes that are not UTF-8", plain("x: a\xffb\n"), 1, 5, "yaml-utf8"},
		{"half a surrogate", plain("x: \xed\xa0\x80\n"), 1, 4, "yaml-utf8"},
		{"overlong UTF-8", plain("x: \xc0\xaf\n"), 1, 4, "yaml-utf8"},
		{"NUL", plain("x: a\x00b\n"), 1, 5, "yaml-nul"},
		{"control character", plain("x: a\x01b\n"), 1, 5, "yaml-control"},
		{"escape sequence of a terminal", plain("x: a\x1b[31mb\n"), 1, 5, "yaml-control"},
		{"DEL", plain("x: a\x7fb\n"), 1, 5, "yaml-control"},
		{"byte order mark in the middle", plain("x: a\ufeffb\n"), 1, 5, "yaml-control"},
		{"tab as indentation", plain("x:\n\ty: 1\n"), 2, 1, "yaml-tab"},
		{"tab behind spaces", plain("x:\n  y: 1\n \tz: 2\n"), 3, 2, "yaml-tab"},
		{"key twice", plain("x: 1\nx: 2\n"), 2, 1, "yaml-duplicate-key"},
		{"key twice, once quoted", plain("x: 1\n\"x\": 2\n"), 2, 1, "yaml-duplicate-key"},
		{"key twice, once escaped", plain("x: 1\n\"\\x78\": 2\n"), 2, 1, "yaml-duplicate-key"},
		{"key twice, once tagged", plain("x: 1\n!!str x: 2\n"), 2, 7, "yaml-duplicate-key"},
		{"key twice, inside", plain("x: {y: 1, 'y': 2}\n"), 1, 11, "yaml-duplicate-key"},
		{"merge key twice", plain("x: &x {y: 1}\nz: {<<: *x, <<: *x}\n"), 2, 13, "yaml-duplicate-key"},
		{"key that is no string", plain("1: x\n"), 1, 1, "yaml-key-type"},
		{"key that is a list", plain("? [x]\n: 1\n"), 1, 3, "yaml-key-type"},
		{"second document", plain("---\nx: 1\n"), 1, 1, "yaml-multi-document"},
		{"document after an end", plain("...\nx: 1\n"), 2, 1, "yaml-syntax"},
		{"unknown tag", plain("x: !!binary aGk=\n"), 1, 13, "yaml-tag"},
		{"tag of a program", plain("x: !!python/object/apply:os.system [id]\n"), 1, 36, "yaml-tag"},
		{"quote that is never closed", plain("x: \"y\n"), 1, 4, "yaml-syntax"},
	}
}

// steps writes a line for each number and the one before it.
func steps(first, line string, n int) text {
	return func() string {
		var b strings.Builder
		b.WriteString(first)
		for i := range n {
			fmt.Fprintf(&b, line, i+1, i)
		}
		return b.String()
	}
}

// stairs nests maps in lines, each indented by one space more.
func stairs(n int) text {
	return func() string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "d:\n")
		}
		return b.String()
	}
}

// laughs is the bomb of that name: lists of aliases of lists of aliases.
func laughs(depth, width int) text {
	return steps("b0: &b0 [x, x, x, x, x, x, x, x, x]\n", "b%[1]d: &b%[1]d ["+strings.Repeat("*b%[2]d, ", width)+"]\n", depth)
}

// hostileYAML puts each fault at the end of a layer, and some of them at the end of each other kind of YAML file.
func hostileYAML() (out []hostile) {
	for file, head := range map[string]string{
		aLayer:     "a: 1\n",
		aTemplate:  "template: {version: 1.0.0}\na: 1\n",
		"lcm.yaml": "apiVersion: lcm/v1\nenvironments: [staging, production]\nnamespaces: {notes: {}}\n",
		"lcm.lock": "apiVersion: lcm/v1\nschemas: {}\n",
		aTenant:    "apiVersion: lcm/v1\nname: acme\n",
	} {
		for i, f := range slices.Concat(giants(), slips()) {
			if file == aLayer || i%6 == len(file)%6 {
				out = append(out, hostile{
					name: file + "/" + f.name, files: map[string]text{file: func() string { return head + f.text() }},
					at: f.place(file, strings.Count(head, "\n")), code: f.code,
				})
			}
		}
		for name, content := range map[string]string{"list": "- 1\n", "scalar": "just text\n", "number": "42\n"} {
			out = append(out, hostile{
				name: file + "/top level is a " + name, files: map[string]text{file: plain(content)}, at: file + ":1:1", code: "yaml-not-a-map",
			})
		}
		out = append(out, hostile{
			name: file + "/UTF-16", files: map[string]text{file: plain("\xff\xfea\x00:\x00 \x001\x00\n\x00")}, at: file + ":1:1", code: "yaml-utf8",
		})
	}
	return out
}

// cueFaults are faults that no file in CUE may hold.
func cueFaults() []fault {
	return []fault{
		{"deep list", repeated("d: ", "[", 100*thousand, "\n"), 1, 68, "limit"},
		{"deep map", repeated("d: ", "{a: ", 50*thousand, "\n"), 1, 260, "limit"},
		{"deep path", repeated("d: ", "a: ", 50*thousand, "1\n"), 1, 4502, "limit"},
		{"deep operators", repeated("d: ", "!", 100*thousand, "true\n"), 1, 1503, "limit"},
		{"giant scalar", repeated("d: \"", "x", 20*thousand*thousand, "\"\n"), 0, 0, "limit"},
		{"bytes that are not UTF-8", plain("d: \"a\xffb\"\n"), 1, 6, "syntax"},
		{"NUL", plain("d: \"a\x00b\"\n"), 1, 6, "syntax"},
		{"UTF-16", plain("\xff\xfea\x00:\x00"), 1, 1, "syntax"},
		{"quote that is never closed", plain("d: \"y\n"), 1, 4, "syntax"},
		{"repeated text", plain("d: \"x\" * 1000000000\n"), 1, 4, "limit"},
		{"import of a parent", plain("import x \"../x\"\n"), 1, 10, "import"},
		{"import of a file", plain("import x \"/etc/passwd\"\n"), 1, 10, "import"},
		{"import of what runs programs", plain("import x \"tool/exec\"\n"), 1, 10, "import"},
		{"import of a parent in shared", plain("import \"lcm.local/shared/../config\"\nd: config.d\n"), 1, 8, "import"},
	}
}

// harmless is what looks hostile and is not: marks and line ends of other systems, and as much as there may be.
func harmless() []hostile {
	layer := func(name string, content text) hostile {
		return hostile{name: "harmless/" + name, files: map[string]text{aLayer: content}, exit: done}
	}
	return []hostile{
		layer("byte order mark", plain("\ufeffa: 1\n")),
		layer("lines of Windows", plain("a: 1\r\nb: |\r\n  x\r\n  y\r\n")),
		layer("lines of an old Mac", plain("a: 1\rb: 2\r")),
		layer("tabs behind values", plain("a: 1\t# x\n\nb: [\t1\t]\n")),
		layer("key that a merge key brings too", plain("x: &x {y: 1}\nz: {<<: *x, y: 2}\n")),
		layer("nothing", plain("")),
		layer("comments alone", plain("# nothing\n")),
		layer("largest value", repeated("x: ", "y", 15*thousand*thousand, "\n")),
		layer("most lines of text", repeated("x: |\n", "  a, b\n", 450*thousand, "")),
		layer("most values", repeated("x: [", "1,", 499*thousand, "1]\n")),
		layer("deepest", repeated("d: ", "[", 99, strings.Repeat("]", 99)+"\n")),
		{name: "harmless/CUE with a byte order mark and lines of Windows", files: map[string]text{aCUELayer: plain("\ufeffa: 1\r\nb: \"x\"\r\n")}, exit: done},
		{name: "harmless/tabs in CUE", files: map[string]text{aCUELayer: plain("a: {\n\tb: 1\n}\n")}, exit: done},
		{name: "harmless/template with lines of Windows", files: map[string]text{aTemplate: plain("\ufefftemplate: {version: 1.0.0}\r\na: 1\r\n")}, exit: done},
	}
}

func hostileCUE() (out []hostile) {
	const module = "package extra\n\n@module(name=\"extra\", version=\"1.0.0\", title=\"Extra\")\n"
	// What stands before a fault: of one that is an import, and of one that is none.
	for file, heads := range map[string][2]string{
		aCUELayer:              {"", "a: 1\n"},
		"shared/extra/all.cue": {"package extra\n", "package extra\n"},
		aSchema:                {module, module + "\n#Config: {\n\t// A.\n\ta?: int\n}\n"},
	} {
		prefix := "cue-"
		if file == aSchema {
			prefix = "schema-"
		}
		for _, f := range cueFaults() {
			head := heads[1]
			if f.code == "import" {
				head = heads[0]
			}
			out = append(out, hostile{
				name: file + "/" + f.name, files: map[string]text{file: func() string { return head + f.text() }},
				at: f.place(file, strings.Count(head, "\n")), code: prefix + f.code,
			})
		}
	}
	layer := func(content string) map[string]text { return map[string]text{aCUELayer: plain(content)} }
	return append(out,
		hostile{name: "cue/field twice", files: layer("a: 1\na: 2\n"), at: aCUELayer + ":2:4", code: "cue-invalid"},
		hostile{name: "cue/field twice, once quoted", files: layer("a: 1\n\"a\": 2\n"), at: aCUELayer + ":2:6", code: "cue-invalid"},
		hostile{name: "cue/list at the top", files: layer("[1]\n"), at: aCUELayer + ":1:1", code: "cue-value"},
		hostile{name: "cue/two layers", files: map[string]text{aCUELayer: plain("a: 1\n"), aLayer: plain("a: 1\n")}, at: aCUELayer, code: "two-layers"},
	)
}

// hostileLinks puts links, pipes and folders where files are read.
func hostileLinks() (out []hostile) {
	for _, file := range []string{
		aLayer, aCUELayer, aTemplate, aSchema, aTenant, "config/global/tenant.yaml", "lcm.yaml", "lcm.lock", "shared/extra/all.cue", ".sops.yaml",
		"config", "config/acme", "config/acme/production", "templates", "schemas", "shared", "shared/extra",
	} {
		up := strings.Repeat("../", strings.Count(file, "/"))
		for where, target := range map[string]string{
			"outside": "/etc/hostname", "a parent": up + "..", "inside": up + ".gitattributes", "itself": filepath.Base(file),
		} {
			if where == "outside" || strings.HasPrefix(file, "config/acme") {
				out = append(out, hostile{
					name: "link " + file + " to " + where, links: map[string]string{file: target}, at: file, code: "unreadable-file", says: "symbolic link",
				})
			}
		}
		out = append(out, hostile{name: "pipe " + file, at: file, code: "unreadable-file", says: "is not a", do: func(dir string) error {
			path := filepath.Join(dir, file)
			return errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Dir(path), 0o750), syscall.Mkfifo(path, 0o600))
		}})
	}
	for _, file := range []string{aTenant, "lcm.yaml", "lcm.lock", ".sops.yaml"} {
		out = append(out, hostile{name: "folder " + file, at: file, code: "unreadable-file", says: "is a folder", do: func(dir string) error {
			path := filepath.Join(dir, file)
			return errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o750))
		}})
	}
	return append(out, linksElsewhere()...)
}

// linksElsewhere has links that others than validate meet, and those that are committed.
func linksElsewhere() []hostile {
	committed := func(dir string) error {
		git := exec.Command("sh", "-c", "git add -A && git commit -q -m links") //nolint:noctx // it ends at once
		git.Dir = dir
		out, err := git.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	get, set := []string{"get", "acme/production/notes"}, []string{"set", "acme/production/notes", "a=2"}
	layer, folder := map[string]string{aLayer: "/etc/hostname"}, map[string]string{"config/acme/production": "/tmp"}
	return []hostile{
		{name: "get a link", links: layer, args: get, at: aLayer, code: "unreadable-file", says: "symbolic link"},
		{name: "get a committed link", links: layer, do: committed, args: append(get, "--at", "HEAD"), at: aLayer, code: "unreadable-file"},
		{name: "set a committed link", links: layer, do: committed, args: set, at: aLayer, code: "unreadable-file"},
		{name: "set behind a committed link", links: folder, do: committed, args: set, at: "config/acme/production", code: "unreadable-file"},
		{name: "set a link in the worktree", links: layer, args: set, exit: 1, says: "symbolic link"},
		{name: "set behind a link in the worktree", links: folder, args: set, exit: 1, says: "symbolic link"},
		{
			name: "a link counts for no quota", links: map[string]string{aLayer: "../../../secrets"}, at: aLayer, code: "unreadable-file",
			files: map[string]text{
				"secrets": plain("x: ENC[AES256_GCM,x]\n"), aTenant: plain("apiVersion: lcm/v1\nname: acme\nquotas: {secrets: 0, bytes: 1}\n"),
			},
		},
	}
}

// hostileNames leads out of the repository by names.
func hostileNames() []hostile {
	in := func(file, content string) map[string]text { return map[string]text{file: plain(content)} }
	settings := func(more string) map[string]text {
		return in("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [staging, production]\n"+more)
	}
	return append(hostileArguments(),
		hostile{name: "lcm.yaml/namespace", files: settings("namespaces: {../x: {}}\n"), at: "lcm.yaml:3:14", code: "settings-name"},
		hostile{name: "lcm.yaml/environment", files: in("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [..]\n"), at: "lcm.yaml:2:16", code: "settings-name"},
		hostile{name: "lcm.yaml/layer", files: settings("layers: [\"../{environment}\"]\n"), at: "lcm.yaml:3:10", code: "settings-layer"},
		hostile{name: "lcm.yaml/layer folder", files: settings("layers: [\"{tenant}/..\"]\n"), at: "lcm.yaml:3:10", code: "settings-layer"},
		hostile{name: "lcm.yaml/layer three parts", files: settings("layers: [\"{tenant}/../x\"]\n"), at: "lcm.yaml:3:10", code: "settings-layer"},
		hostile{name: "lcm.yaml/module", files: settings("namespaces: {notes: {module: ../x}}\n"), at: "lcm.yaml:3:14", code: "unknown-module"},
		hostile{name: "lcm.yaml/inherits", files: settings("namespaces: {notes: {inherits: ../x}}\n"), at: "lcm.yaml:3:14", code: "settings-inherits"},
		hostile{name: "lcm.yaml/dimension", files: settings("dimensions: {region: [..]}\n"), at: "lcm.yaml:3:23", code: "settings-name"},
		hostile{name: "lcm.lock/module", files: in("lcm.lock", "apiVersion: lcm/v1\nschemas: {../x: {version: 1.0.0, digest: x}}\n"), at: "lcm.lock:2:11", code: "lock-version"},
		hostile{name: "tenant.yaml/namespace", files: in(aTenant, "apiVersion: lcm/v1\nname: acme\nnamespaces: [../x]\n"), at: aTenant, code: "unknown-namespace"},
		hostile{name: "tenant.yaml/name", files: in(aTenant, "apiVersion: lcm/v1\nname: ../acme\n"), at: aTenant + ":2:7", code: "tenant-name"},
		hostile{name: "layer/extends", files: in(aLayer, "extends: ../../lcm\n"), at: aLayer + ":1:10", code: "template-extends"},
		hostile{name: "template/extends", files: in(aTemplate, "template: {version: 1.0.0, extends: ../x}\n"), at: aTemplate + ":1:37", code: "template-extends"},
		hostile{
			name: "template/long placeholder", at: aTemplate + ":2:5", code: "template-syntax",
			files: map[string]text{aTemplate: repeated("template: {version: 1.0.0, variables: {a: {}}}\na: \"{{a", " | upper", 100*thousand, "}}\"\n")},
		},
	)
}

// hostileArguments gives hostile words to commands.
func hostileArguments() []hostile {
	beside := func(content text) func(string) error {
		return func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "..", "beside"), []byte(content()), 0o600)
		}
	}
	set := func(more ...string) []string { return append([]string{"set", "acme/staging/notes"}, more...) }
	return []hostile{
		{name: "address/up", args: []string{"get", "../../etc"}, exit: 2, says: "../../etc"},
		{name: "address/up in the middle", args: []string{"get", "acme/../notes"}, exit: 2, says: ".."},
		{name: "address/up at the end", args: []string{"set", "acme/production/..", "a=1"}, exit: 2, says: ".."},
		{name: "address/long", args: []string{"set", "acme/production/" + strings.Repeat("x", 100*thousand), "a=1"}, exit: 2, says: "longer than"},
		{name: "address/control character", args: []string{"get", "acme/production/a\x01b"}, exit: 2, says: "may hold only a-z"},
		{name: "pattern/long", args: []string{"validate", strings.Repeat("*/", 50*thousand)}, exit: 2, says: "longer than"},
		{name: "pattern/up", args: []string{"validate", ".."}, exit: 2, says: ".."},
		{name: "tenant/up", args: []string{"tenant", "add", "..", "--generate"}, exit: 2, says: ".."},
		{name: "namespace/up", args: []string{"namespace", "add", "../x"}, exit: 2, says: ".."},
		{name: "key/deep", args: set(strings.Repeat("a.", 50*thousand) + "a=1"), exit: 2, says: "longer than"},
		{name: "key/far index", args: set("b[999999999]=1"), exit: 2, says: "neither an index"},
		{name: "key/not UTF-8", args: set("b\xff=1"), exit: 2, says: "UTF-8"},
		{name: "value/not UTF-8", args: set("b=\xff"), exit: 1, says: "UTF-8"},
		{name: "value/deep", args: set("b=" + strings.Repeat("[", 5*thousand) + strings.Repeat("]", 5*thousand)), exit: done},
		{name: "from-file/up", do: beside(plain("x")), args: set("--from-file", "b=../beside"), exit: done},
		{name: "from-file/giant", do: beside(repeated("", "x", 20*thousand*thousand, "")), args: set("--from-file", "b=../beside"), exit: 1, says: "larger than"},
		{name: "from-file/endless", args: set("--from-file", "b=/dev/zero"), exit: 1, says: "larger than"},
	}
}
