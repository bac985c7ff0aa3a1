package rules

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// node is one node of a graph, with its edges in document order.
type node struct {
	name  string
	edges []edge
	state visit
}

type edge struct {
	to   string
	path tree.Path
	at   diag.Position
}

type visit uint8

const (
	unseen visit = iota
	onPath       // from the start to here
	done
)

// acyclic reports, for each edge that leads back to where the way to it began, that way.
func (c *checker) acyclic(a address.Address, root *tree.Node, g Graph) {
	nodes, order := graph(root, g)
	type frame struct {
		*node
		next int
	}
	for _, start := range order {
		if start.state != unseen {
			continue
		}
		// A stack of our own: how deep it goes is the file's to say, not the machine's.
		start.state = onPath
		stack := []frame{{node: start}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(top.edges) {
				top.state = done
				stack = stack[:len(stack)-1]
				continue
			}
			e := top.edges[top.next]
			top.next++
			to := nodes[e.to]
			switch {
			case to == nil || to.state == done:
			case to.state == unseen:
				to.state = onPath
				stack = append(stack, frame{node: to})
			default:
				from := slices.IndexFunc(stack, func(f frame) bool { return f.node == to })
				var names []string
				var related []diag.Related
				for _, f := range stack[from:] {
					names = append(names, f.name)
					if by := f.edges[f.next-1]; by.at != e.at {
						related = append(related, diag.Related{Position: inLayer(by.at, a), Message: f.name + " leads to " + by.to})
					}
				}
				names = append(names, e.to)
				c.report(a, e.path, e.at, diag.Finding{
					Code: CodeCycle, Message: "this closes a circle: " + circle(names), Hint: "remove one of the steps", Related: related,
				})
			}
		}
	}
}

// circle gives the names along a way, the middle of a long one left out.
func circle(names []string) string {
	const most = 8
	if n := len(names); n > most {
		names = slices.Concat(names[:most-2], []string{"…"}, names[n-2:])
	}
	return strings.Join(names, " → ")
}

// graph reads the nodes and edges. Of two nodes of one name the first counts.
func graph(root *tree.Node, g Graph) (nodes map[string]*node, order []*node) {
	nodes = map[string]*node{}
	add := func(name string, path tree.Path, n *tree.Node) {
		if nodes[name] != nil || n.Kind != tree.Map {
			return
		}
		v := &node{name: name}
		for at, to := range referring(n, g.Edges) {
			v.edges = append(v.edges, edge{to.Text(), append(path.Clone(), at...), to.Pos})
		}
		nodes[name] = v
		order = append(order, v)
	}
	for path, n := range g.Nodes.Matches(root) {
		for _, f := range n.Fields() {
			add(f.Key, append(path, tree.Key(f.Key)), f.Value)
		}
		for i, item := range n.Items() {
			if name := item.Field(g.Name); name != nil && name.Kind.IsScalar() && !name.Secret {
				add(name.Text(), append(path, tree.Index(i)), item)
			}
		}
	}
	return nodes, order
}
