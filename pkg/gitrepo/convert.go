package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// converter makes blobs of files as "git add" does: line endings, filters and encodings as configuration and attributes
// have it. Where none of that can apply the blob is the file, and git is not asked.
type converter struct {
	repo       *Repo
	autocrlf   bool
	attributes string // of the files that hold for every path, joined
}

var (
	// Attributes that convert any content, and those that concern only files with CRs. [attr] macros name them too.
	anyContent  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(filter|ident|working-tree-encoding)\b`) })
	lineEndings = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(text|eol|crlf)\b`) })
)

func newConverter(r *Repo, c *gitConfig) *converter {
	v := &converter{repo: r}
	switch strings.ToLower(c.get("core.autocrlf")) {
	case "", "false", "no", "off", "0":
		v.autocrlf = c.valueless["core.autocrlf"]
	default:
		v.autocrlf = true
	}
	user := expandHome(c.get("core.attributesfile"))
	if user == "" {
		if config := os.Getenv("XDG_CONFIG_HOME"); config != "" {
			user = filepath.Join(config, "git", "attributes")
		} else {
			user = expandHome("~/.config/git/attributes")
		}
	}
	for _, path := range []string{"/etc/gitattributes", user, filepath.Join(r.commonDir, "info", "attributes")} {
		v.attributes += readIfThere(path)
	}
	return v
}

func readIfThere(path string) string {
	b, err := os.ReadFile(path) //nolint:gosec // files that git reads too
	if err != nil {
		return ""
	}
	return string(b) + "\n"
}

// blob gives the blob for a file's content. Its content is nil if git made it; then with store it is written already.
func (v *converter) blob(ctx context.Context, path string, content []byte, store bool) (pendingObject, error) {
	if !v.mayConvert(path, content) {
		return newObject(plumbing.BlobObject, append([]byte{}, content...)), nil
	}
	args := []string{"hash-object", "--stdin", "--path=" + path}
	if store {
		args = append(args, "-w")
	}
	out, err := v.repo.run(ctx, command{args: args, stdin: bytes.NewReader(content)})
	if err != nil {
		return pendingObject{}, fmt.Errorf("convert %s as git add would: %w", path, err)
	}
	hash := strings.TrimSpace(string(out))
	if !isFullHash(hash) {
		return pendingObject{}, errors.New("git hash-object gave no hash")
	}
	return pendingObject{id: plumbing.NewHash(hash), kind: plumbing.BlobObject}, nil
}

// mayConvert errs on the side of true.
func (v *converter) mayConvert(path string, content []byte) bool {
	attributes := v.attributes
	for dir := filepath.Dir(filepath.FromSlash(path)); ; dir = filepath.Dir(dir) {
		attributes += readIfThere(filepath.Join(v.repo.root, dir, ".gitattributes"))
		if dir == "." {
			break
		}
	}
	if anyContent().MatchString(attributes) {
		return true
	}
	return bytes.ContainsRune(content, '\r') && (v.autocrlf || lineEndings().MatchString(attributes))
}
