//go:build unix

package shield

import "syscall"

// coreLimit is how large a core dump may be.
type coreLimit struct {
	was   syscall.Rlimit
	known bool
}

// Raise shields this process. What the system does not allow is left: it is no reason to do nothing at all.
func Raise() *Shield {
	s := &Shield{}
	s.core.known = syscall.Getrlimit(syscall.RLIMIT_CORE, &s.core.was) == nil
	s.core.forbid()
	undump()
	return s
}

// forbid leaves the hard limit, up to which a process may set its own again.
func (c *coreLimit) forbid() {
	if c.known {
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: c.was.Max})
	}
}

func (c *coreLimit) restore() {
	if c.known {
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &c.was)
	}
}
