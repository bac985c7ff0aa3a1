package schema

import (
	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"fmt"
	"testing"
)

func TestTmp(t *testing.T) {
	m := inline(t, `
#Config: {
	key?: string @secret()
	said?: string
	if key != _|_ {said?: error("the key is \(key)")}
	plain?: string
	if key != _|_ if plain != _|_ { if plain != key {oops: error("the key is \(key)")}}
}`)
	for _, c := range []string{"key: hunter2h\nsaid: x", "key: hunter2h\nplain: x"} {
		root := config(t, c)
		j := m.judge.(*cueJudge)
		e := &encoder{top: j.top}
		for _, e := range errors.Errors(j.root.Unify(j.ctx.Encode(e.encode(root))).Validate(cue.Concrete(true))) {
			f, a := e.Msg()
			fmt.Printf("%v %q %v\n", e.Path(), f, a)
		}
		fmt.Println(m.Validate(root))
	}
}
