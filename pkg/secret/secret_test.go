package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNothingShowsTheValue(t *testing.T) {
	const value = "hunter2"
	s := New(value)
	data, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s)
	out := string(data) + log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d %v", s, s, s, s, s, s, s, struct{ S Text }{s})
	if strings.Contains(out, value) || strings.Contains(out, fmt.Sprintf("%x", value)) {
		t.Errorf("the value shows in %s", out)
	}
	if s.Reveal() != value || s.IsZero() || !New("").IsZero() {
		t.Error("the value is not kept")
	}
}
