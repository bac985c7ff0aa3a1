package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/gitrepo"
)

// Subject gives the first line of the commit's message.
func (p *Plan) Subject() string {
	subject, _, _ := p.message()
	return subject
}

// maxSubject is the length to which subjects are kept, in bytes: what git log and review tools show in a line.
const maxSubject = 72

// maxNamed is the number of keys that the subject of an edited text names.
const maxNamed = 3

// maxKeys bounds the keys listed in one trailer.
const maxKeys = 50

func (p *Plan) message() (subject, body string, trailers []gitrepo.Trailer) {
	r := p.request
	groups, order := byAddress(r.Edits)
	subject = r.Subject
	if subject == "" {
		subject = r.Kind
		if len(order) == 0 && len(r.Texts) > 0 {
			subject = fmt.Sprintf("%s comments in %s", r.Kind, r.Texts[0].Address)
		}
		if len(order) > 0 {
			subject = fmt.Sprintf("%s %s in %s", r.Kind, keyList(r.Edits), order[0])
			if len(order) > 1 {
				subject = fmt.Sprintf("%s %d keys in %d layers", r.Kind, len(r.Edits), len(order))
			}
			if len(subject) > maxSubject || len(r.Texts) > 0 && len(r.Edits) > maxNamed {
				subject = fmt.Sprintf("%s %d keys in %s", r.Kind, len(r.Edits), order[0])
			}
		}
	}
	trailers = append(trailers, gitrepo.Trailer{Key: "Lcm-Change", Value: r.Kind})
	for _, t := range r.Texts {
		if len(groups[t.Address]) == 0 {
			trailers = append(trailers, gitrepo.Trailer{Key: "Lcm-Address", Value: t.Address.String()})
		}
	}
	for _, a := range order {
		trailers = append(trailers, gitrepo.Trailer{Key: "Lcm-Address", Value: a.String()})
		keys := make([]string, 0, len(groups[a]))
		for _, e := range groups[a] {
			keys = append(keys, e.Path.String())
		}
		slices.Sort(keys)
		if more := len(keys) - maxKeys; more > 0 {
			keys = append(keys[:maxKeys], fmt.Sprintf("… %d more", more))
		}
		trailers = append(trailers, gitrepo.Trailer{Key: "Lcm-Keys", Value: strings.Join(keys, ", ")})
	}
	trailers = append(trailers, r.Details...)
	if r.Reason != "" {
		body = r.Reason
		trailers = append(trailers, gitrepo.Trailer{Key: "Lcm-Reason", Value: strings.Join(strings.Fields(r.Reason), " ")})
	}
	return subject, body, trailers
}

func keyList(edits []Edit) string {
	keys := make([]string, 0, len(edits))
	for _, e := range edits {
		keys = append(keys, e.Path.String())
	}
	return strings.Join(keys, ", ")
}
