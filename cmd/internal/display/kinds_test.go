package display

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestKindsAreInTheDocs: whatever kind of JSON a command writes, docs/json.md says which command that is.
func TestKindsAreInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	kind := regexp.MustCompile(`JSON(?:Line)?\(.*?"([A-Z]\w+)"`)
	for _, pattern := range []string{"*.go", "../command/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range kind.FindAllSubmatch(src, -1) {
				kinds[string(m[1])] = true
			}
		}
	}
	if len(kinds) < 30 {
		t.Errorf("only %d kinds were found", len(kinds))
	}
	for k := range kinds {
		if !strings.Contains(string(page), "`"+k+"`") {
			t.Errorf("docs/json.md does not have %s", k)
		}
	}
}
