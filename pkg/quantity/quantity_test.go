package quantity

import "testing"

func TestParse(t *testing.T) {
	for text, want := range map[string]Kind{
		"1": Number, "0.70": Number, "-1": Number, "1e3": Number, "0x10": Number, "30s": Duration, "1.5h": Duration, "365d": Duration, "500ms": Duration,
		"10GB": Size, "1 MiB": Size, "5B": Size, "2w": Duration,
		"": 0, "s": 0, ".5s": 0, "5.s": 0, "-5s": 0, "1h30m": 0, "five": 0, "10gb": 0, "1M": 0, "1  s": 0, ".inf": 0, ".nan": 0, "1.2.3s": 0, "1PB": 0, "1KMB": 0,
	} {
		if q, ok := Parse(text); q.Kind != want || ok != (want != 0) {
			t.Errorf("Parse(%q) is %v, %v; want %v", text, q.Kind, ok, want)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		a, b  string
		order int
		ok    bool
	}{
		{"60s", "1m", 0, true},
		{"23h", "1d", -1, true},
		{"1.5h", "89m", 1, true},
		{"1KiB", "1KB", 1, true},
		{"0.1", "0.10", 0, true},
		{"9007199254740993", "9007199254740992", 1, true},
		{"10", "10s", 0, false},
		{"1GB", "1h", 0, false},
	} {
		a, _ := Parse(tt.a)
		b, _ := Parse(tt.b)
		if order, ok := Compare(a, b); order != tt.order || ok != tt.ok {
			t.Errorf("%s against %s: %d, %v", tt.a, tt.b, order, ok)
		}
	}
	if _, ok := Compare(Quantity{}, Quantity{}); ok {
		t.Error("nothing compares with nothing")
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "500": 500, "500B": 500, "1KB": 1000, "1KiB": 1024, "10GB": 10_000_000_000, "1.5 MiB": 1572864, "2TB": 2_000_000_000_000, "0.5KB": 500,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "1 0", "-1", "10gb", "1.5", "30s", "9999999999TB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, and should be refused", text, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 KB", 1550: "1.5 KB", 999_999: "999.9 KB", 10_000_000_000: "10 GB", 1 << 62: "4611686 TB",
	} {
		if got := FormatSize(n); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"10GB", "1.5 MiB", "500", "", "30s", "1e5000", "999999999999999999999TB", "0.0000000001KB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, ok := Parse(text)
		if !ok {
			return
		}
		if order, same := Compare(q, q); order != 0 || !same || q.String() != text {
			t.Errorf("%q is not itself", text)
		}
		if n, err := ParseSize(text); err == nil && n < 0 {
			t.Errorf("%q is %d bytes", text, n)
		}
	})
}
