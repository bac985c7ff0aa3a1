//go:build !unix

package shield

type coreLimit struct{}

// Raise does nothing here.
func Raise() *Shield { return nil }

func (*coreLimit) forbid() {}

func (*coreLimit) restore() {}
