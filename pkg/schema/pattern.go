package schema

import (
	"regexp"
	"sync"
)

// pattern is a regular expression, known to be one, that is compiled when it is first used.
type pattern struct {
	text string
	once sync.Once
	re   *regexp.Regexp
}

// match reports whether the expression matches text somewhere; one that does not compile matches nothing.
func (p *pattern) match(text string) bool {
	p.once.Do(func() {
		if re, err := regexp.Compile(p.text); err == nil {
			p.re = re
		}
	})
	return p.re != nil && p.re.MatchString(text)
}
