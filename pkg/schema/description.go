package schema

import (
	"embed"
	"strings"
)

// The descriptions of the built-in modules are written down beside their sources, because to read a source takes a
// program longer than most commands take for all the rest. They are made from the sources by
//
//go:generate go test -run ^TestDescriptions$ . -update

// descriptions holds NAME.txt for the module in NAME.cue.
//
//go:embed descriptions
var descriptions embed.FS

// description is what was written down about one source: its header, and its shape for [description.root].
type description struct {
	header header
	rest   codec
}

// descriptionOf gives what is written down about exactly this source, nil if nothing is.
func descriptionOf(src Source, digest string) *description {
	if !src.Builtin {
		return nil
	}
	data, err := descriptions.ReadFile("descriptions/" + strings.TrimSuffix(baseName(src.File), ".cue") + ".txt")
	if err != nil {
		return nil
	}
	text, ok := strings.CutPrefix(string(data), digest+"\n")
	if !ok {
		return nil
	}
	d := &description{header: header{digest: digest}, rest: codec{reading: true, in: text, patterns: map[string]*pattern{}}}
	if d.rest.header(&d.header); d.rest.bad {
		return nil
	}
	return d
}

// root gives the description of #Config.
func (d *description) root() (*member, error) {
	var m *member
	c := d.rest
	c.member(&m)
	if c.in != "" && c.in != "\n" {
		c.fail()
	}
	return m, c.err()
}

// describe writes a module's description down.
func (m *Module) describe() []byte {
	c := codec{numbers: map[*shape]int{}}
	h, root := m.header, m.root
	c.header(&h)
	c.member(&root)
	return append(append([]byte(m.header.digest+"\n"), c.out...), '\n')
}
