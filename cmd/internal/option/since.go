package option

import (
	"fmt"
	"time"

	"github.com/llm-devops/lcm/pkg/quantity"
)

// ParseSince reads a moment in the past: how long ago (12h, 30d), a date in local time, or a moment in RFC 3339.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if q, ok := quantity.Parse(text); ok {
		if ago, ok := q.Duration(); ok && ago >= 0 {
			return now.Add(-ago), nil
		}
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is neither how long ago, nor a date, nor a moment", text)
}
