package due

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
)

func TestListIsReadAsItWasWritten(t *testing.T) {
	a := address.Address{Tenant: "acme", Environment: "production", Namespace: "notes"}
	want := &List{
		Tenant: "acme", Person: "ada: # \"x\"", Keys: []string{"age1x", "ssh-ed25519 AAAA"}, File: "rotations/acme/x.yaml",
		Since:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Values: []Value{{a, `models."gpt-4.1".key`, Mark("ENC[1]")}, {a, "b[0]", Mark("ENC[2]")}},
	}
	src, err := want.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(want.File, src)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v\n%s", err, got, want, src)
	}
	for _, broken := range []string{"since: yesterday\n", "values: [{address: x}]\nsince: 2026-01-02T03:04:05Z\n", "a: [\n"} {
		if _, err := Parse("f.yaml", []byte(broken)); err == nil || !strings.Contains(err.Error(), "f.yaml") {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func TestRemarkFollowsOnlyWhatIsTheSameValue(t *testing.T) {
	a := address.Address{Tenant: "acme", Environment: "production", Namespace: "notes"}
	l := &List{Values: []Value{{a, "same", "1"}, {a, "changed", "1"}, {a, "gone", "1"}}}
	if !l.Remark(a, map[string]string{"same": "1", "changed": "2", "gone": "1"}, map[string]string{"same": "3", "changed": "4"}) {
		t.Error("nothing was followed")
	}
	if l.Values[0].Mark != "3" || l.Values[1].Mark != "1" || l.Values[2].Mark != "1" {
		t.Errorf("%+v", l.Values)
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{"Ada Lovelace": "ada-lovelace", "../../etc": "etc", "🔑": "somebody", "": "somebody", "a@b.c": "a-b-c"} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q, want %q", in, got, want)
		}
	}
	if got := slug(strings.Repeat("ab ", 100)); len(got) > 50 {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzParse: what is read is written so that it is read as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte("tenant: acme\nperson: ada\nkeys: [age1x]\nsince: 2026-01-02T03:04:05Z\nvalues:\n- {address: acme/production/notes, key: a.b, mark: \"0123456789abcdef\"}\n"))
	f.Add([]byte("since: 2026-01-02T03:04:05+01:00\nkeys: [1, {}, null]\nvalues: [{address: a/b/c}, x]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := Parse("rotations/acme/x.yaml", src)
		if err != nil {
			return
		}
		text, err := l.Bytes()
		if err != nil {
			return // a name that YAML cannot write
		}
		again, err := Parse(l.File, text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !again.Since.Equal(l.Since.Truncate(time.Second)) || !reflect.DeepEqual(again.Values, l.Values) || again.Person != l.Person {
			t.Errorf("%+v\n%+v", again, l)
		}
	})
}
