package workspace

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

const (
	ageKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
)

func TestParseTenant(t *testing.T) {
	file := TenantFile("acme")
	got, err := ParseTenant("acme", file, []byte(`apiVersion: lcm/v1
name: acme
description: The first
owners: [team-a, "@bob"]
recipients:
  - `+ageKey+`
  - {name: bob, key: "`+sshKey+` bob@laptop"}
namespaces: []
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Tenant{
		Name: "acme", Description: "The first", Owners: []string{"team-a", "@bob"}, File: file,
		Recipients: []Recipient{
			{Key: ageKey, Pos: diag.Position{File: file, Line: 6, Column: 5}, First: 6, Last: 6},
			{Name: "bob", Key: sshKey, Pos: diag.Position{File: file, Line: 7, Column: 22}, First: 7, Last: 7}, // without the comment
		},
		Namespaces: []string{}, Quotas: DefaultQuotas(file), // no namespaces, which is not all
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !slices.Equal(got.Keys(), []string{ageKey, sshKey}) {
		t.Errorf("keys %v", got.Keys())
	}
	if all, err := ParseTenant("acme", file, []byte("apiVersion: lcm/v1\nname: acme\n")); err != nil || all.Namespaces != nil {
		t.Errorf("without a list the tenant has all namespaces: %v, %v", all, err)
	}
}

func tenantFaults() []fileFault {
	const head = "apiVersion: lcm/v1\nname: acme\n" // two lines
	return []fileFault{
		{"another name", "apiVersion: lcm/v1\nname: globex\n", []string{`2:7 tenant-name: name is "globex", and the folder is "acme" | the folder's name counts: make them the same`}},
		{"misspelt", head + "recipient: []\n", []string{`3:1 settings-unknown-field: tenant.yaml has no field "recipient" | did you mean recipients?`}},
		{"a broken key", head + "recipients:\n  - age1broken\n", []string{"4:5 tenant-recipient: "}},
		{"a private key", head + "recipients:\n  - {name: me, key: AGE-SECRET-KEY-1QQPQYRZPZUXLSRA9Q3ZV6HJ2HKDDNFAYTXLYE6NZVFZ8XAQP6UYQKMRNKD}\n", []string{"4:21 tenant-recipient: "}},
		{"no key", head + "recipients: [{name: me}]\n", []string{"3:14 tenant-recipient: "}},
		{"owners that are no names", head + "owners: [1, {a: b}]\n", []string{"3:10 settings-type: an owner must be a string, and this is an integer", "3:13 settings-type: an owner must be a string, and this is a map"}},
		{"namespaces that are no names", head + "namespaces: [[a]]\n", []string{"3:14 settings-type: a namespace must be a string, and this is a list"}},
		{"an empty list is written []", head + "namespaces:\n", []string{"3:12 settings-type: namespaces must be a list, and this is empty"}},
		{"a list that is none", head + "namespaces: inference\n", []string{"3:13 settings-type: namespaces must be a list, and this is a string"}},
	}
}

func TestTenantFindings(t *testing.T) {
	for _, tt := range tenantFaults() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseTenant("acme", TenantFile("acme"), []byte(tt.src))
			got := told(t, err)
			if !slices.EqualFunc(got, tt.want, func(g, w string) bool { return g == w || strings.HasSuffix(w, " ") && strings.HasPrefix(g, w) }) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
			for _, g := range got {
				if strings.Contains(g, "QQPQYRZ") {
					t.Errorf("the private key is in the finding: %s", g)
				}
			}
		})
	}
}

func FuzzParseTenant(f *testing.F) {
	f.Add([]byte("apiVersion: lcm/v1\nname: acme\nrecipients: [" + ageKey + ", {name: b, key: " + sshKey + "}]\nnamespaces: [a]\n"))
	f.Add([]byte("name: [acme]\nowners: {}\nrecipients: [1, {}, {key: {}}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := ParseTenant("acme", TenantFile("acme"), src)
		if err != nil {
			told(t, err)
			return
		}
		for _, key := range got.Keys() {
			if _, err := ParseTenant("acme", "f", []byte("apiVersion: lcm/v1\nrecipients: [\""+key+"\"]\n")); err != nil {
				t.Errorf("the canonical key %q is refused: %v", key, err)
			}
		}
	})
}
