//go:build unix && !linux

package shield

// undump does nothing: macOS asks for a right or a password before one program may read another's memory, and its PT_DENY_ATTACH ends
// a program that was started in a debugger.
func undump() {}
