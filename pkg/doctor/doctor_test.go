package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAtLeast(t *testing.T) {
	for _, tt := range []struct {
		version, least string
		want           bool
	}{
		{"2.34.0", "2.34.0", true},
		{"2.34", "2.34.0", true},
		{"2.39.5", "2.34.0", true},
		{"2.9.5", "2.34.0", false},
		{"3.0", "2.34.0", true},
		{"2.33.8", "2.34.0", false},
		{"2.47.1.windows.2", "2.34.0", true},
		{"3.9.0-rc1", "3.9.0", true},
		{"unknown", "2.34.0", false},
	} {
		if got := atLeast(tt.version, tt.least); got != tt.want {
			t.Errorf("%s at least %s: %t", tt.version, tt.least, got)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]Status{-24 * time.Hour: OK, 0: OK, time.Minute: OK, 3 * time.Minute: Wrong} {
		if got := Clock(now, now.Add(ahead)); got.Status != want || want == Wrong && !strings.Contains(got.Message, "3m0s earlier") {
			t.Errorf("a commit %v ahead: %+v", ahead, got)
		}
	}
}

func TestPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if _, found := Private("x", "the key", file, 0o600); found {
		t.Error("found what is not there")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, _ := Private("x", "the key", file, 0o600); c.Status != OK {
		t.Errorf("%+v", c)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	c, _ := Private("x", "the key", file, 0o600)
	if c.Status != Wrong || c.Fix == nil || !strings.Contains(c.Message, "mode 0640") {
		t.Fatalf("%+v", c)
	}
	if err := c.Fix(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, _ := Private("x", "the key", file, 0o600); c.Status != OK {
		t.Errorf("after the remedy: %+v", c)
	}
}
