package pin_test

import (
	"testing"

	"github.com/llm-devops/lcm/pkg/pin"
)

func TestDigest(t *testing.T) {
	const want = "sha256:d02b8bb58aa82e872f709035f39b734b9f28dde0c3d305698a95d04aec594cfa" // printf 'a: 1\nb: 2\n' | sha256sum
	for _, same := range []string{"a: 1\nb: 2\n", "a: 1\nb: 2", "a: 1\r\nb: 2\r\n", "\uFEFFa: 1\nb: 2\n\n\n"} {
		if got := pin.Digest([]byte(same)); got != want {
			t.Errorf("%q has the digest %s, want %s", same, got, want)
		}
	}
	for _, other := range []string{"a: 1\nb: 2 \n", "a: 1\n\nb: 2\n", ""} {
		if pin.Digest([]byte(other)) == want {
			t.Errorf("%q has the same digest", other)
		}
	}
}
