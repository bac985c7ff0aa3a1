package workspace

import (
	"slices"
	"testing"
)

const (
	keyA = "age1anklu8cs9s8qvdzx3sa5va37w3hy0duyc3whdra85eg2qfs4ap9qj58prg"
	keyB = "age1psrclquzl7rwpgu375f78kuaudpncwqedxauzcr508xknjqae5wqekgw4k"
	keyC = "age14yjcfm9a3l"
)

func TestRecoveryKeysArePolicyToo(t *testing.T) {
	tenant, err := ParseTenant("acme", "t.yaml", []byte("apiVersion: lcm/v1\nrecipients: ["+keyA+", {name: twice, key: "+keyA+"}]\nrecovery: [{name: safe, key: "+keyB+"}, "+keyA+"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tenant.Keys(), []string{keyA, keyB}) || !slices.Equal(tenant.Everyday(), []string{keyA}) || tenant.NoPlatform {
		t.Errorf("%v %v", tenant.Keys(), tenant.Everyday())
	}
	extra, missing := tenant.Difference([]string{keyC, keyA, keyC})
	if !slices.Equal(extra, []string{keyC}) || len(missing) != 1 || missing[0].Name != "safe" {
		t.Errorf("%v %v", extra, missing)
	}
	// With recovery keys alone nothing is encrypted: nobody could use it.
	alone, err := ParseTenant("acme", "t.yaml", []byte("apiVersion: lcm/v1\nrecovery: ["+keyB+"]\nplatform_recovery: false\n"))
	if err != nil || len(alone.Keys()) > 0 || !alone.NoPlatform {
		t.Errorf("%v %v", alone, err)
	}
	for _, broken := range []string{"recovery: x", "recovery: [x]", "platform_recovery: 1"} {
		if _, err := ParseTenant("acme", "t.yaml", []byte("apiVersion: lcm/v1\n"+broken+"\n")); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}
