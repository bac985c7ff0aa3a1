package quantity

import (
	"fmt"
	"strings"
)

// ParseSize reads a number of bytes: 500, 10GB, 1.5 MiB. KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.
func ParseSize(text string) (int64, error) {
	q, ok := Parse(text)
	if !ok || q.Kind == Duration {
		return 0, fmt.Errorf("%.40q is no size", text)
	}
	if q.rat.Sign() < 0 || !q.rat.IsInt() || !q.rat.Num().IsInt64() {
		return 0, fmt.Errorf("%q is no whole number of bytes up to 8 EiB", text)
	}
	return q.rat.Num().Int64(), nil
}

// FormatSize gives a number of bytes for people: 999 B, 12.3 KB, 10 GB.
func FormatSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	tenths, unit := n/100, 0 // of a KB, rounded down
	for tenths >= 10_000 && unit < 3 {
		tenths /= 1000
		unit++
	}
	text := fmt.Sprintf("%d.%d", tenths/10, tenths%10)
	return strings.TrimSuffix(text, ".0") + " " + "KMGT"[unit:unit+1] + "B"
}
