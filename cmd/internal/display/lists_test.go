package display

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/inventory"
)

func TestAListOfNothingIsWrittenAsOne(t *testing.T) {
	type Inner struct {
		Items  []string   `json:"items"`
		Left   []string   `json:"left,omitempty"`
		Nested [][]string `json:"nested"`
		Raw    []byte     `json:"raw"`
		hidden []string
	}
	type report struct {
		*Inner
		Findings diag.List         `json:"findings"`
		Many     []Inner           `json:"many"`
		ByName   map[string]*Inner `json:"byName"`
		Any      any               `json:"any"`
		None     *Inner            `json:"none"`
		Address  address.Address   `json:"address"`
		When     time.Time         `json:"when"`
		Text     json.RawMessage   `json:"text"`
	}
	r := report{
		Inner: &Inner{Nested: [][]string{nil}, hidden: []string{"x"}}, Many: []Inner{{}}, ByName: map[string]*Inner{"a": {}}, Any: Inner{},
		When: time.Unix(0, 0).UTC(), Text: json.RawMessage("null"),
	}
	const empty = `{"items":[],"nested":[],"raw":null}`
	want := `{"items":[],"nested":[[]],"raw":null,"findings":[],"many":[` + empty + `],"byName":{"a":` + empty + `},"any":` + empty +
		`,"none":null,"address":"//","when":"1970-01-01T00:00:00Z","text":null}`
	got, err := json.Marshal(listed(r))
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
	if r.Findings != nil || r.Many[0].Items != nil || r.hidden == nil {
		t.Error("the report was changed")
	}
	var b bytes.Buffer
	if err := JSON(&b, "SecretList", Secrets{Items: []SecretItem{{Secret: &inventory.Secret{}}}}); err != nil || bytes.Contains(b.Bytes(), []byte("null")) {
		t.Errorf("%v\n%s", err, b.Bytes())
	}
	if listed(nil) != nil {
		t.Error("nothing became something")
	}
}
