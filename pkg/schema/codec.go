package schema

import (
	"errors"
	"math/big"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// codec writes a description, or reads one that it wrote. Both ways are the same functions, each of which is given the
// place of a value, so that they cannot come to differ. What is written is text: numbers with a space behind, strings with
// their length in front, each shape on a line of its own.
type codec struct {
	reading  bool
	out      []byte
	in       string
	bad      bool   // what is read was not written by this codec
	file     string // of all positions
	numbers  map[*shape]int
	shapes   []*shape
	patterns map[string]*pattern
}

var errDescription = errors.New("not a description of a schema")

func (c *codec) err() error {
	if c.bad {
		return errDescription
	}
	return nil
}

// number reads or writes any integer.
func number[T ~int | ~uint8](c *codec, v *T) {
	if !c.reading {
		c.out = append(strconv.AppendInt(c.out, int64(*v), 10), ' ')
		return
	}
	c.in = strings.TrimPrefix(c.in, "\n") // each shape begins a line
	n, i := 0, 0
	for ; i < len(c.in) && c.in[i] >= '0' && c.in[i] <= '9' && i < 9; i++ {
		n = n*10 + int(c.in[i]-'0')
	}
	if i == 0 || i == len(c.in) || c.in[i] != ' ' {
		c.fail()
		return
	}
	*v, c.in = T(n), c.in[i+1:]
}

func (c *codec) fail() { c.bad, c.in = true, "" }

func (c *codec) flag(v *bool) {
	n := 0
	if *v {
		n = 1
	}
	number(c, &n)
	*v = n == 1
}

func (c *codec) text(v *string) {
	n := len(*v)
	number(c, &n)
	switch {
	case !c.reading:
		c.out = append(append(c.out, *v...), ' ')
	case n >= len(c.in):
		c.fail()
	default:
		*v, c.in = c.in[:n], c.in[n+1:]
	}
}

// list reads or writes a list; one without items is nil.
func list[T any](c *codec, v *[]T, item func(*T)) {
	n := len(*v)
	number(c, &n)
	if c.reading {
		if n > len(c.in) {
			c.fail()
			return
		}
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		item(&(*v)[i])
	}
}

// maybe reads or writes whether there is something, and then that.
func maybe[T any](c *codec, v **T, each func(*T)) {
	is := *v != nil
	c.flag(&is)
	if !is {
		return
	}
	if c.reading {
		*v = new(T)
	}
	each(*v)
}

func (c *codec) pos(p *diag.Position) {
	none := *p == (diag.Position{})
	c.flag(&none)
	if none {
		return
	}
	p.File = c.file
	number(c, &p.Line)
	number(c, &p.Column)
}

func (c *codec) header(h *header) {
	c.text(&h.name)
	c.text(&h.version)
	c.text(&h.title)
	c.file = builtinFile(h.name)
	c.pos(&h.pos)
}

// shape reads or writes a shape where it comes first, and its number from then on.
func (c *codec) shape(s **shape) {
	n, known := c.numbers[*s]
	if !known {
		n = len(c.shapes)
	}
	if !c.reading && !known {
		c.out = append(c.out, '\n')
	}
	number(c, &n)
	if c.bad {
		return
	}
	if n < len(c.shapes) {
		*s = c.shapes[n]
		return
	}
	if c.reading {
		*s = &shape{}
	} else {
		c.numbers[*s] = n
	}
	c.shapes = append(c.shapes, *s)
	c.content(*s)
}

func (c *codec) content(s *shape) {
	number(c, &s.kinds)
	list(c, &s.enum, c.node)
	list(c, &s.rules, c.rule)
	list(c, &s.alts, c.shape)
	c.nodeOrNone(&s.def)
	for _, v := range []*bool{&s.marked, &s.open, &s.implicit, &s.opaque, &s.unsure} {
		c.flag(v)
	}
	list(c, &s.checks, c.check)
	c.pos(&s.pos)
	list(c, &s.fields, c.member)
	list(c, &s.patterns, c.member)
	list(c, &s.items, c.member)
	if c.has(s.rest != nil) {
		c.member(&s.rest)
	}
	if c.has(s.byName != nil) && c.reading {
		s.byName = make(map[string]*member, len(s.fields))
		for _, m := range s.fields {
			s.byName[m.name] = m
		}
	}
}

// has reads or writes whether there is something.
func (c *codec) has(is bool) bool {
	c.flag(&is)
	return is
}

func (c *codec) member(v **member) {
	if c.reading {
		*v = &member{}
	}
	m := *v
	c.text(&m.name)
	if c.has(m.key != nil) {
		c.shape(&m.key)
	}
	c.text(&m.label)
	c.text(&m.keyText)
	number(c, &m.presence)
	list(c, &m.guards, c.condition)
	list(c, &m.needed, c.condition)
	c.flag(&m.marks.secret)
	c.text(&m.marks.secretType)
	c.text(&m.marks.rotation)
	c.text(&m.marks.owner)
	number(c, &m.marks.merge.Strategy)
	c.text(&m.marks.merge.Key)
	c.flag(&m.marks.noPromote)
	c.text(&m.doc)
	c.pos(&m.pos)
	c.shape(&m.shape)
}

func (c *codec) check(v *check) {
	list(c, &v.when, c.test)
	c.demand(&v.then)
}

func (c *codec) test(v *test) {
	number(c, &v.op)
	c.text(&v.key)
	c.nodeOrNone(&v.value)
	c.names(&v.names)
	list(c, &v.of, c.test)
}

func (c *codec) names(v *names) {
	c.text(&v.key)
	c.text(&v.field)
}

func (c *codec) demand(v *demand) {
	number(c, &v.op)
	c.names(&v.names)
	list(c, &v.each, c.demand)
	list(c, &v.fields, func(f *fieldDemand) {
		c.text(&f.name)
		number(c, &f.presence)
		c.demand(&f.demand)
	})
}

func (c *codec) condition(v *condition) {
	c.text(&v.text)
	c.pos(&v.pos)
}

func (c *codec) rule(r *rule) {
	number(c, &r.op)
	c.text(&r.text)
	c.pos(&r.pos)
	c.nodeOrNone(&r.value)
	maybe(c, &r.bound, c.rational)
	if c.reading && (r.op == matches || r.op == matchesNot) {
		if c.patterns[r.text] == nil {
			c.patterns[r.text] = &pattern{text: r.text}
		}
		r.re = c.patterns[r.text]
	}
}

func (c *codec) rational(v *big.Rat) {
	text := v.RatString()
	c.text(&text)
	if _, ok := v.SetString(text); !ok {
		c.fail()
	}
}

func (c *codec) nodeOrNone(n **tree.Node) {
	if c.has(*n != nil) {
		c.node(n)
	}
}

func (c *codec) node(v **tree.Node) {
	if c.reading {
		*v = &tree.Node{}
	}
	n := *v
	number(c, &n.Kind)
	c.pos(&n.Pos)
	var full *tree.Node
	switch n.Kind {
	case tree.Map:
		fields := n.Fields()
		list(c, &fields, func(f *tree.Field) {
			c.text(&f.Key)
			c.pos(&f.Pos)
			c.node(&f.Value)
		})
		full = n.WithFields(fields)
	case tree.List:
		items := n.Items()
		list(c, &items, c.node)
		full = n.WithItems(items)
	default:
		text := n.Reveal()
		c.text(&text)
		full = n.WithText(n.Kind, text)
	}
	if c.reading {
		*v = full
	}
}
