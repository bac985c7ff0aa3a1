package gitrepo

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// maxObject bounds what is read into memory: configuration is text written by people.
const maxObject = 64 << 20

// objectStore reads the objects of a repository and its alternates, and writes loose ones.
type objectStore struct {
	repo *Repo
	dir  string // the objects folder

	mu      sync.Mutex // go-git's decoders are not safe for concurrent use
	folders []*objectFolder

	trees recentTrees
}

func newObjectStore(r *Repo) *objectStore {
	return &objectStore{repo: r, dir: filepath.Join(r.commonDir, "objects")}
}

// read gives an object's type and content, verified against its id. A missing object is [plumbing.ErrObjectNotFound].
func (s *objectStore) read(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	kind, content, err := s.readStored(id)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		// What go-git does not find git may: objects in a push's quarantine, or fetched on demand.
		kind, content, err = s.askGit(ctx, id)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read object %s: %w", id, err)
	}
	if plumbing.ComputeHash(kind, content) != id {
		return 0, nil, fmt.Errorf("read object %s: content does not match its id: the repository is damaged", id)
	}
	return kind, content, nil
}

func (s *objectStore) readStored(id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders == nil {
		if err := s.open(); err != nil {
			return 0, nil, err
		}
	}
	for attempt := range 2 {
		for _, folder := range s.folders {
			kind, content, err := folder.read(id)
			if err == nil {
				return kind, content, nil
			}
			// Anything else than a missing object may come from a pack that git has just replaced.
			if attempt == 1 && !errors.Is(err, plumbing.ErrObjectNotFound) {
				return 0, nil, err
			}
		}
		if attempt == 0 {
			if err := s.open(); err != nil {
				return 0, nil, err
			}
		}
	}
	return 0, nil, plumbing.ErrObjectNotFound
}

func readAll(obj plumbing.EncodedObject) (content []byte, err error) {
	rd, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	return readSized(rd, obj.Size())
}

func readSized(rd io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > maxObject {
		return nil, fmt.Errorf("object of %d bytes is over the limit of %d", size, maxObject)
	}
	content := make([]byte, size)
	_, err := io.ReadFull(rd, content)
	return content, err
}

func (s *objectStore) open() error {
	dirs, err := alternates(s.dir)
	if err != nil {
		return err
	}
	for _, f := range s.folders {
		f.close()
	}
	s.folders = nil
	for _, dir := range append([]string{s.dir}, dirs...) {
		f, err := openFolder(dir)
		if err != nil {
			return err
		}
		s.folders = append(s.folders, f)
	}
	return nil
}

// alternates gives the object folders that the one given borrows from, and those that they do. Each must be an "objects"
// folder that exists, or the repository is broken or of a kind that is not supported.
func alternates(objects string) ([]string, error) {
	const deepest = 5 // as in git
	var all []string
	next := []string{objects}
	for range deepest {
		var found []string
		for _, dir := range next {
			more, err := readAlternates(dir)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
		found = slices.DeleteFunc(found, func(d string) bool { return d == objects || slices.Contains(all, d) })
		if len(found) == 0 {
			return all, nil
		}
		all = append(all, found...)
		next = found
	}
	return all, nil
}

func readAlternates(objects string) ([]string, error) {
	f, err := os.Open(filepath.Join(objects, "info", "alternates")) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var dirs []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		dir := lines.Text()
		if dir == "" || dir[0] == '#' {
			continue
		}
		if strings.HasPrefix(dir, `"`) {
			if dir, err = strconv.Unquote(dir); err != nil {
				return nil, unsupported("alternate object folder "+lines.Text(), "write its path plainly in objects/info/alternates")
			}
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(objects, dir)
		}
		dir = filepath.Clean(dir)
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() || filepath.Base(dir) != "objects" {
			return nil, unsupported("alternate object folder "+dir+" that is not there",
				"make the clone independent with `git repack -a -d && rm .git/objects/info/alternates`, or clone again without --shared")
		}
		dirs = append(dirs, dir)
	}
	return dirs, lines.Err()
}

// askGit reads one object with git.
func (s *objectStore) askGit(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	out, err := s.repo.run(ctx, command{args: []string{"cat-file", "--batch"}, stdin: strings.NewReader(id.String() + "\n")})
	if err != nil {
		return 0, nil, err
	}
	header, rest, _ := bytes.Cut(out, []byte{'\n'})
	fields := strings.Fields(string(header))
	if len(fields) != 3 || fields[0] != id.String() {
		return 0, nil, plumbing.ErrObjectNotFound
	}
	kind, err := plumbing.ParseObjectType(fields[1])
	if err != nil {
		return 0, nil, err
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size < 0 || size > maxObject || size > len(rest) {
		return 0, nil, fmt.Errorf("object of %s bytes is over the limit of %d", fields[2], maxObject)
	}
	return kind, rest[:size], nil
}

// readKind is read for one type of object.
func (s *objectStore) readKind(ctx context.Context, id plumbing.Hash, want plumbing.ObjectType) ([]byte, error) {
	kind, content, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, fmt.Errorf("read object %s: it is a %s, not a %s", id, kind, want)
	}
	return content, nil
}

// pendingObject is an object to be written.
type pendingObject struct {
	id      plumbing.Hash
	kind    plumbing.ObjectType
	content []byte
}

func newObject(kind plumbing.ObjectType, content []byte) pendingObject {
	return pendingObject{id: plumbing.ComputeHash(kind, content), kind: kind, content: content}
}

// write stores loose objects, durably unless sync is false: all are on disk when it returns, so that no ref can come to
// point to something that a power cut takes away.
//
// step is called for each blob, concurrently; it may be nil.
func (s *objectStore) write(ctx context.Context, objects []pendingObject, sync bool, step func()) error {
	encoder, err := newLooseEncoder()
	if err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // the fsyncs wait for the same journal commit of the file system, so they overlap well
	for _, o := range objects {
		encoded, err := encoder.encode(o)
		if err != nil {
			return errors.Join(fmt.Errorf("write object %s: %w", o.id, err), g.Wait())
		}
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			if err := s.writeLoose(o.id, encoded, sync); err != nil {
				return fmt.Errorf("write object %s: %w", o.id, err)
			}
			if step != nil && o.kind == plumbing.BlobObject {
				step()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || !sync {
		return err
	}
	return s.syncDirs(ctx, objects)
}

// syncDirs makes the names of objects durable: each folder once, however many are in it.
func (s *objectStore) syncDirs(ctx context.Context, objects []pendingObject) error {
	dirs := map[string]bool{}
	for _, o := range objects {
		dirs[o.id.String()[:2]] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for dir := range dirs {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return syncDir(filepath.Join(s.dir, dir))
		})
	}
	return g.Wait()
}

// writeLoose writes one object. Its name is durable once its folder is synced.
func (s *objectStore) writeLoose(id plumbing.Hash, encoded []byte, sync bool) (err error) {
	hex := id.String()
	dir := filepath.Join(s.dir, hex[:2])
	path := filepath.Join(dir, hex[2:])
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as git does: the umask decides
		return err
	}
	tmp, err := os.CreateTemp(dir, "tmp_obj_") // the prefix by which `git gc` knows what to sweep
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := tmp.Write(encoded); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Chmod(0o444); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if sync {
		if err := tmp.Sync(); err != nil {
			return errors.Join(err, tmp.Close())
		}
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// looseEncoder makes the bytes of objects' files, compressed as fast as Git does it: core.looseCompression. It needs its memory
// once, for one object after another.
type looseEncoder struct{ zlib *zlib.Writer }

func newLooseEncoder() (looseEncoder, error) {
	w, err := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	return looseEncoder{w}, err
}

func (e looseEncoder) encode(o pendingObject) ([]byte, error) {
	var buf bytes.Buffer
	e.zlib.Reset(&buf)
	if _, err := fmt.Fprintf(e.zlib, "%s %d\x00", o.kind, len(o.content)); err != nil {
		return nil, err
	}
	if _, err := e.zlib.Write(o.content); err != nil {
		return nil, err
	}
	if err := e.zlib.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// syncDir makes renames in a folder durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // own folder
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return errors.Join(err, d.Close())
	}
	return d.Close()
}
