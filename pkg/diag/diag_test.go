package diag

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestSortedIsByPlaceAndWithoutRepeats(t *testing.T) {
	at := func(file string, line, col int, code string) Finding {
		return Finding{Code: code, Severity: Error, Message: "m", Position: Position{file, line, col}}
	}
	l := List{at("b", 1, 1, "x"), at("a", 10, 1, "x"), at("a", 2, 5, "x"), at("a", 2, 5, "x"), at("a", 2, 5, "w")}
	var got []string
	for _, f := range l.Sorted() {
		got = append(got, f.Position.String()+" "+f.Code)
	}
	if want := []string{"a:2:5 w", "a:2:5 x", "a:10:1 x", "b:1:1 x"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if l[0].Position.File != "b" {
		t.Error("Sorted changed the list itself")
	}
	if (List{{Severity: Warning}}).Err() != nil || l.Err() == nil {
		t.Error("Err goes by errors alone")
	}
}

func TestCollapsedTellsASharedFaultOnce(t *testing.T) {
	at := func(line int, address string) Finding {
		return Finding{Code: "c", Message: "m", Position: Position{"f", line, 1}, Address: address}
	}
	got := List{at(1, "b"), at(1, "a"), at(2, "a"), at(1, "c")}.Collapsed()
	if len(got) != 2 || got[0].Address != "a" || got[0].Reach != 3 || got[1].Reach != 0 {
		t.Errorf("%+v", got)
	}
}

func TestHints(t *testing.T) {
	base := errors.New("base")
	err := fmt.Errorf("outer: %w", WithHint(base, "do %s", "this"))
	if HintOf(err) != "do this" || !errors.Is(err, base) || err.Error() != "outer: base" {
		t.Errorf("%v, hint %q", err, HintOf(err))
	}
	if WithHint(nil, "x") != nil || HintOf(base) != "" {
		t.Error("no error, no hint")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"inference", "inference-batch", "router", "prompts"}
	for word, want := range map[string][]string{
		"inferance": {"inference"}, "infer": {"inference", "inference-batch"}, "rooter": {"router"}, "zzz": {}, "Router": {"router"},
	} {
		if got := Nearest(word, known); !slices.Equal(got, want) {
			t.Errorf("Nearest(%q) = %v, want %v", word, got, want)
		}
	}
	if got := DidYouMean("zzz", known, "look"); got != "look" {
		t.Error(got)
	}
}
