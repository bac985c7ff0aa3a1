// Package shield keeps what this process holds in memory away from other processes and from disks.
//
// [Raise] does so once, early: no core dump is written of this process, whatever GOTRACEBACK says, and on Linux no process of the
// same user can read its memory (ptrace, /proc/PID/mem) or its environment (/proc/PID/environ). One with the rights of root still can.
// Programs that this process starts are not shielded; [Shield.Without] gives those of the user the limits that the user chose.
package shield

// Shield is what was changed about this process. A nil one changed nothing.
type Shield struct {
	core coreLimit // as this process was given it
}

// Without starts a program of the user's: with the limit on core dumps that this process was started with, which is in force again when
// start returns.
func (s *Shield) Without(start func() error) error {
	if s == nil {
		return start()
	}
	s.core.restore()
	defer s.core.forbid()
	return start()
}
