package workspace

import (
	"strings"
	"testing"
)

func TestUsedOfItsQuota(t *testing.T) {
	for _, tt := range []struct {
		used, limit    int64
		percent        int64
		near, exceeded bool
	}{
		{0, 100, 0, false, false},
		{79, 100, 79, false, false},
		{80, 100, 80, true, false},
		{100, 100, 100, true, false},
		{101, 100, 101, true, true},
		{0, 0, 0, false, false},
		{1, 0, 101, true, true},
		{1 << 60, 1 << 61, 50, false, false},
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
