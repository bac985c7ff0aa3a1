package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"path"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Quota is the most that a tenant may have of something.
type Quota struct {
	Name  string // as in tenant.yaml: bytes, secrets or namespaces
	Limit int64
	Pos   diag.Position // of the limit, or the tenant's file where it is the default
}

// Quotas are a tenant's limits. They count what lies in the tenant's own layer files: what the platform's layers add to its
// addresses is the platform's.
type Quotas struct {
	Bytes      Quota // of its layer files, as they lie in the repository
	Secrets    Quota // encrypted values
	Namespaces Quota // namespaces with a layer of the tenant's own, in any environment or base
}

// DefaultQuotas gives the limits of a tenant whose file sets none.
func DefaultQuotas(file string) Quotas {
	at := diag.Position{File: file}
	return Quotas{
		Bytes:      Quota{"bytes", 10_000_000_000, at},
		Secrets:    Quota{"secrets", 1000, at},
		Namespaces: Quota{"namespaces", 100, at},
	}
}

// WarnPercent is the share of a quota from which on it is warned about.
const WarnPercent = 80

// Used is how much of a quota is used.
type Used struct {
	Quota
	Used int64
}

// Percent gives the used share in whole percent, rounded down. Of a quota of nothing anything is more than all.
func (u Used) Percent() int64 {
	if u.Limit == 0 {
		return min(u.Used, 1) * 101
	}
	percent := new(big.Int).Mul(big.NewInt(u.Used), big.NewInt(100))
	return percent.Div(percent, big.NewInt(u.Limit)).Int64()
}

// Exceeded reports whether more is used than there may be.
func (u Used) Exceeded() bool { return u.Used > u.Limit }

// Near reports whether the quota is used up to where a warning is due, or beyond.
func (u Used) Near() bool { return u.Exceeded() || u.Used > 0 && u.Percent() >= WarnPercent }

// String gives "812 of 1000 secrets".
func (u Used) String() string {
	if u.Name == "bytes" {
		return quantity.FormatSize(u.Used) + " of " + quantity.FormatSize(u.Limit)
	}
	return fmt.Sprintf("%d of %d %s", u.Used, u.Limit, u.Name)
}

// Usage counts what a tenant uses of its quotas, of those named, or of all. It needs no key. Bytes and namespaces are counted
// by listing folders; secrets by reading the tenant's layer files.
func (s *Snapshot) Usage(ctx context.Context, t *Tenant, quotas ...string) ([]Used, error) {
	return s.usage(ctx, t, quotas, func(file string, _ []byte) (int64, error) {
		f, err := s.Layer(ctx, file)
		if _, broken := errors.AsType[diag.List](err); broken || f == nil && err == nil {
			return 0, nil // validation tells what is wrong with the file
		}
		if err != nil {
			return 0, err
		}
		return f.Secrets(), nil
	})
}

// UsageAtMost is Usage without parsing a file: the count of secrets may be too high, and is never too low.
func (s *Snapshot) UsageAtMost(ctx context.Context, t *Tenant, quotas ...string) ([]Used, error) {
	return s.usage(ctx, t, quotas, func(_ string, src []byte) (int64, error) { return SecretsAtMost(src), nil })
}

// SecretsAtMost counts what may be encrypted values in the text of a layer file.
func SecretsAtMost(src []byte) int64 { return int64(bytes.Count(src, []byte(sealedPrefix))) }

// sealedPrefix is what every encrypted value begins with; the MAC in the sops block does, too.
const sealedPrefix = "ENC[AES256_GCM,"

// Secrets counts the encrypted values of the file.
func (f *File) Secrets() int64 {
	var secrets int64
	for _, n := range f.Sealed.Leaves() {
		if n.Sealed {
			secrets++
		}
	}
	return secrets
}

func (s *Snapshot) usage(ctx context.Context, t *Tenant, quotas []string, secretsOf func(file string, src []byte) (int64, error)) ([]Used, error) {
	counts := []struct {
		quota Quota
		count func(layers []address.Address) (int64, error)
	}{
		{t.Quotas.Bytes, func(layers []address.Address) (int64, error) { return s.bytesOf(ctx, layers) }},
		{t.Quotas.Secrets, func(layers []address.Address) (int64, error) { return s.secretsOf(ctx, layers, secretsOf) }},
		{t.Quotas.Namespaces, func(layers []address.Address) (int64, error) {
			namespaces := map[string]bool{}
			for _, a := range layers {
				namespaces[a.Namespace] = true
			}
			return int64(len(namespaces)), nil
		}},
	}
	layers, _, err := s.LayerFiles(ctx, t.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("count what tenant %q uses: %w", t.Name, err)
	}
	var out []Used
	for _, c := range counts {
		if len(quotas) > 0 && !slices.Contains(quotas, c.quota.Name) {
			continue
		}
		n, err := c.count(layers)
		if err != nil {
			return nil, fmt.Errorf("count the %s of tenant %q: %w", c.quota.Name, t.Name, err)
		}
		out = append(out, Used{c.quota, n})
	}
	return out, nil
}

func (s *Snapshot) bytesOf(ctx context.Context, layers []address.Address) (int64, error) {
	var total int64
	folders := map[string]map[string]int64{}
	for _, a := range layers {
		dir, name := path.Split(a.File())
		if _, ok := folders[dir]; !ok {
			sizes, err := s.files.Sizes(ctx, path.Clean(dir))
			if err != nil {
				return 0, err
			}
			folders[dir] = sizes
		}
		total += folders[dir][name]
	}
	return total, nil
}

func (s *Snapshot) secretsOf(ctx context.Context, layers []address.Address, count func(file string, src []byte) (int64, error)) (int64, error) {
	var total atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, a := range layers {
		g.Go(func() error {
			src, err := s.source(gctx, a.File())
			if err != nil {
				return gctx.Err() // a file that cannot be read is validation's to tell
			}
			if !bytes.Contains(src, []byte(sealedPrefix)) {
				return nil
			}
			n, err := count(a.File(), src)
			total.Add(n)
			return err
		})
	}
	err := g.Wait()
	return total.Load(), err
}

// source gives a layer file's text, from the parsed file where there is one already.
func (s *Snapshot) source(ctx context.Context, file string) ([]byte, error) {
	if e, ok := s.layers.Load(file); ok {
		if f, ok := e.(*layerEntry).peek(); ok && f != nil {
			return f.Doc.Source(), nil
		}
	}
	return s.files.ReadFile(ctx, file)
}

func (d *decoder) quotas(f tree.Field, q *Quotas) {
	count := func(to *Quota) func(tree.Field) {
		return func(f tree.Field) {
			n, err := parseCount(f.Value)
			if err != nil {
				d.report("tenant-quota", f.Value.Pos, fmt.Sprintf("quota of %s: %v", to.Name, err), "write a whole number, such as 1000")
				return
			}
			to.Limit, to.Pos = n, f.Value.Pos
		}
	}
	d.object(f.Value, "quotas", map[string]func(tree.Field){
		"bytes": func(f tree.Field) {
			if f.Value.Kind != tree.String && f.Value.Kind != tree.Int {
				d.report("settings-type", f.Value.Pos, fmt.Sprintf("bytes must be a size, and this is %s", kindOf(f.Value)), sizeHint)
				return
			}
			n, err := quantity.ParseSize(f.Value.Text())
			if err != nil {
				d.report("tenant-quota", f.Value.Pos, fmt.Sprintf("quota of bytes: %v", err), sizeHint)
				return
			}
			q.Bytes.Limit, q.Bytes.Pos = n, f.Value.Pos
		},
		"secrets":    count(&q.Secrets),
		"namespaces": count(&q.Namespaces),
	})
}

func parseCount(n *tree.Node) (int64, error) {
	if n.Kind == tree.Int {
		if r, ok := n.Number(); ok && r.Sign() >= 0 && r.Num().IsInt64() {
			return r.Num().Int64(), nil
		}
	}
	return 0, fmt.Errorf("%s is no count", n)
}

const sizeHint = "write bytes, or a number with KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), such as 10GB"
