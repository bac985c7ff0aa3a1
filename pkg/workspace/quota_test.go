package workspace

import (
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "500": 500, "500B": 500, "1KB": 1000, "1KiB": 1024, "10GB": 10_000_000_000, "1.5 MiB": 1572864, "2TB": 2_000_000_000_000, "0.5KB": 500,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "1 0", "-1", "1e3", "10gb", "1.5", "1.KB", ".5KB", "1PB", "1iB", "9999999999TB", "1  KB", "0x10", "1KBB", "1KMB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, and should be refused", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"10GB", "1.5 MiB", "500", "", "999999999999999999999TB", "0.0000000001KB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err == nil && n < 0 {
			t.Errorf("%q is %d bytes", text, n)
		}
	})
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

func TestUsedOfItsQuota(t *testing.T) {
	for _, tt := range []struct {
		used, limit    int64
		percent        int64
		near, exceeded bool
	}{
		{0, 100, 0, false, false}, {79, 100, 79, false, false}, {80, 100, 80, true, false}, {100, 100, 100, true, false},
		{101, 100, 101, true, true}, {0, 0, 0, false, false}, {1, 0, 101, true, true}, {1 << 60, 1 << 61, 50, false, false},
	} {
		u := Used{Quota{Limit: tt.limit}, tt.used}
		if u.Percent() != tt.percent || u.Near() != tt.near || u.Exceeded() != tt.exceeded {
			t.Errorf("%d of %d: %d %%, near %v, exceeded %v", tt.used, tt.limit, u.Percent(), u.Near(), u.Exceeded())
		}
	}
}

func TestQuotasOfATenant(t *testing.T) {
	const head = "apiVersion: lcm/v1\nname: acme\n"
	tenant, err := ParseTenant("acme", "f", []byte(head+"quotas: {bytes: 1KiB, secrets: 7}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if q := tenant.Quotas; q.Bytes.Limit != 1024 || q.Secrets.Limit != 7 || q.Namespaces.Limit != 100 || q.Secrets.Pos.Line != 3 || q.Namespaces.Pos.Line != 0 {
		t.Errorf("%+v", q)
	}
	for src, want := range map[string]string{
		"quotas: {secret: 1}":        "settings-unknown-field",
		"quotas: {bytes: 10 potato}": "tenant-quota",
		"quotas: {bytes: [1]}":       "settings-type",
		"quotas: {secrets: -1}":      "tenant-quota",
		"quotas: {secrets: 1.5}":     "tenant-quota",
		"quotas: {namespaces: many}": "tenant-quota",
		"quotas: 5":                  "settings-type",
	} {
		_, err := ParseTenant("acme", "f", []byte(head+src+"\n"))
		if got := told(t, err); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %v, want %s", src, got, want)
		}
	}
}
