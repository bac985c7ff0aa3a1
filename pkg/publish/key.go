package publish

import (
	"fmt"
	"regexp"
	"sync"
)

// MaxKey is the longest object key in bytes.
const MaxKey = 1024

var keyText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)
})

// CheckKey says whether a key is one: relative, slash-separated, of letters, digits and ".", "_", "-", no part starting with
// a dot or a dash. Such a key cannot leave the store, whatever it is turned into.
func CheckKey(key string) error {
	if len(key) > MaxKey || !keyText().MatchString(key) {
		return fmt.Errorf("object key %q is not well formed", key)
	}
	return nil
}
