// Package gitrepo reads and writes one Git repository: its files in the worktree or at a revision, its history and
// signatures, and signed commits that change a few files.
//
// [Open] finds the repository, [Repo.Worktree] and [Repo.At] give a [Snapshot] to read from, [Repo.Commit] is the one way to
// write a commit, [Repo.WriteFiles] changes files without one. [Repo.Verify], [Repo.History] and [Repo.Blame] tell who did what.
//
// Objects are read with go-git and without starting a process; refs, index, signatures, hooks and path-limited history are
// Git's own, through the git command, in the C locale, with replace refs off and without the GIT_DIR, GIT_INDEX_FILE and
// related variables that a calling hook leaves behind.
//
// # What Commit guarantees
//
// Commit follows the protocol of "git commit -a": it holds index.lock while it checks that HEAD, the index and the files are
// what the caller saw, replaces the files, moves HEAD by compare-and-swap, and only then replaces the index. So of two
// commands that commit at the same moment, git or lcm, one wins and the other is told (see [ErrConflict]); a file that
// somebody edited meanwhile is put back; what is staged or dirty elsewhere stays exactly so.
//
// A process that is killed half-way leaves a record in the folder "lcm" of the git directory, with a lock on it that the
// operating system drops at death. [Repo.Recover], which Commit and WriteFiles call first, finishes or undoes such a
// write: finished if HEAD had moved, undone if not. It touches no lock and no edit of anybody else.
package gitrepo
