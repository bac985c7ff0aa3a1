package scaffold

import (
	"testing"

	"github.com/llm-devops/lcm/pkg/workspace"
)

const otherKey = "age1anklu8cs9s8qvdzx3sa5va37w3hy0duyc3whdra85eg2qfs4ap9qj58prg"

func TestKeysComeAndGoWithoutATrace(t *testing.T) {
	for _, src := range []string{
		"apiVersion: lcm/v1 # kept\nname: acme\n\nrecipients:\n  # first\n  - {name: a, key: " + ageKey + "}\nowners: [x]\n",
		"apiVersion: lcm/v1\nrecipients:\n- name: a\n  key:  " + ageKey + "\n- " + sshKey + " comment\n",
		"apiVersion: lcm/v1\nrecipients: [" + ageKey + "]\n",
	} {
		for _, recovery := range []bool{false, true} {
			more, err := AddRecipient("t.yaml", []byte(src), workspace.Recipient{Name: "bob: x", Key: otherKey}, recovery)
			if err != nil {
				t.Fatal(err)
			}
			tenant, err := workspace.ParseTenant("acme", "t.yaml", more)
			if err != nil {
				t.Fatalf("%v\n%s", err, more)
			}
			list := tenant.Recipients
			if recovery {
				list = tenant.Recovery
			}
			if last := list[len(list)-1]; last.Name != "bob: x" || last.Key != otherKey {
				t.Errorf("%+v\n%s", list, more)
			}
			less, err := RemoveKeys("t.yaml", more, []string{otherKey})
			if err != nil || string(less) != src {
				t.Errorf("%v, after removing what was added:\n%s\nwant\n%s", err, less, src)
			}
		}
	}
	src := "apiVersion: lcm/v1\nrecipients:\n- " + ageKey + "\n- " + sshKey + " comment\n- {key: " + otherKey + "}\n"
	less, err := RemoveKeys("t.yaml", []byte(src), []string{ageKey, sshKey})
	if want := "apiVersion: lcm/v1\nrecipients:\n- {key: " + otherKey + "}\n"; err != nil || string(less) != want {
		t.Errorf("%v\n%s", err, less)
	}
}
