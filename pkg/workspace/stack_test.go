package workspace

import (
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
)

func TestStackOfEnvironmentsAndDimensions(t *testing.T) {
	s, err := ParseSettings(SettingsFile, []byte(`apiVersion: lcm/v1
dimensions: {region: [eu, us]}
environments:
  - {name: production, strict_override: true}
  - {name: production-eu, inherits: production, dimensions: {region: eu}}
  - {name: trial, inherits: production-eu, strict_override: false}
layers: [global/base, "global/region-{region}", "global/{environment}", "{tenant}/{environment}"]
namespaces: {inference: {}, batch: {inherits: inference}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ address, want string }{
		{"acme/production/inference", "global/base global/production! acme/production!"},
		{"acme/production-eu/inference", "global/base global/region-eu global/production! global/production-eu! acme/production! acme/production-eu!"},
		{"acme/trial/inference", "global/base global/region-eu global/production global/production-eu global/trial acme/production acme/production-eu acme/trial"},
		{"global/production/inference", "global/base global/production!"},
		{"acme/base/inference", "global/base acme/base"},
		{"global/region-eu/inference", "global/base global/region-eu"},
		{"acme/production/batch", "global/base/inference global/production/inference! acme/production/inference! global/base global/production! acme/production!"},
	} {
		a, err := address.Parse(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ref := range s.Stack(a) {
			name := ref.Name
			if ref.Strict {
				name += "!"
			}
			got = append(got, name)
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%s is made of %s, want %s", tt.address, text, tt.want)
		}
		_, isEnvironment := s.Environment(a.Environment)
		if s.Partial(a) != (!isEnvironment || a.Tenant == address.Global) {
			t.Errorf("%s is partial: %v", a, s.Partial(a))
		}
	}
	if got := strings.Join(s.FolderNames(), " "); got != "production production-eu trial base region-eu region-us" {
		t.Errorf("folders are %s", got)
	}
}
