package validate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Addresses checks what addresses resolve to: the merge, and the schema where there is one. Secrets count as they are where
// an identity at hand opens them, and as valid where none does. The findings are in the order of the addresses.
func Addresses(ctx context.Context, s *workspace.Snapshot, addresses []address.Address) (diag.List, error) {
	found := make([]diag.List, len(addresses))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, a := range addresses {
		g.Go(func() error {
			list, _, err := check(gctx, s, a, func(*tree.Node) bool { return false })
			if broken, ok := errors.AsType[diag.List](err); ok {
				list, err = broken, nil
			}
			found[i] = list
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// check checks one resolved address. fits reports of a sealed secret that its value is known to be what the schema takes.
// settled says that the outcome goes by the form of the layers (see [schema.Form]) where there are no findings.
func check(
	ctx context.Context, s *workspace.Snapshot, a address.Address, fits func(*tree.Node) bool,
) (list diag.List, settled bool, err error) {
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return nil, false, err
	}
	list = slices.Clone(r.Findings)
	if r.Module == nil {
		return list, true, nil
	}
	settled = true
	if !r.Module.Accepts(r.Root, fits) {
		root, err := s.RevealWhatOpens(ctx, r.Root)
		if err != nil {
			return nil, false, err
		}
		var wrong diag.List
		if wrong, settled = validateOpened(r, root); len(wrong) > 0 {
			list = append(list, placed(ctx, s, r, wrong)...)
		}
	}
	if r.Module.Name() == promptModule && !r.Partial {
		for _, f := range prompts(r.Root) {
			f.Address = a.String()
			list = append(list, f)
		}
	}
	return list, settled, nil
}

// validateOpened holds a resolved address, opened as far as it opens, against its schema.
func validateOpened(r *workspace.Resolved, root *tree.Node) (list diag.List, settled bool) {
	if r.Module.Accepts(root, func(*tree.Node) bool { return true }) { // what does not open is valid
		return nil, true
	}
	return r.Module.Validate(root), !r.Module.Described()
}

// placed gives what is wrong with an address as it is told.
func placed(ctx context.Context, s *workspace.Snapshot, r *workspace.Resolved, wrong diag.List) (list diag.List) {
	for _, f := range wrong {
		if f.Code == schema.CodeRequired && r.Partial {
			continue
		}
		f.Address = r.Address.String()
		if f.Position.IsZero() {
			f.Position.File = s.LayerFile(ctx, r.Address)
		}
		list = append(list, blameVariables(f, r))
	}
	return list
}

// checkLayer checks one layer file for itself: secrets in plain text, and whether the recipients it is
// encrypted to are the tenant's.
func checkLayer(a address.Address, f *workspace.File, m *schema.Module, t *workspace.Tenant) (diag.List, error) {
	var meta *seal.Metadata
	if !f.IsCUE() {
		var err error
		if meta, err = seal.Inspect(f.Doc); err != nil {
			return nil, err
		}
	}
	list := plaintext(a, f, meta, m)
	list = append(list, sopsLimits(f, meta)...)
	if meta != nil && t != nil {
		list = append(list, recipients(f, meta, t)...)
	}
	return list, nil
}

// plaintext finds values in secret fields that are not encrypted.
func plaintext(a address.Address, file *workspace.File, meta *seal.Metadata, m *schema.Module) diag.List {
	var selected *regexp.Regexp
	if meta != nil && meta.EncryptedRegex != "" {
		selected, _ = regexp.Compile(meta.EncryptedRegex) // Inspect has checked that it compiles
	}
	var list diag.List
	for p, n := range file.Sealed.Leaves() {
		// SOPS leaves null and the empty string as they are.
		if n.Sealed || !n.Kind.IsScalar() || n.Kind == tree.Null || n.Reveal() == "" {
			continue
		}
		bySchema := false
		if m != nil {
			field, _ := m.Field(p)
			bySchema = field.Secret
		}
		byFile := selected != nil && slices.ContainsFunc(p.MapKeys(), selected.MatchString)
		if !bySchema && !byFile {
			continue
		}
		message := "this field is secret, and its value is in plain text"
		if !bySchema {
			message = "this file's encrypted_regex covers the field, and its value is in plain text"
		}
		next := fmt.Sprintf("encrypt it: lcm set %s --secret '%s'", a, p)
		if file.IsCUE() {
			next = "remove it here, as CUE cannot hold it encrypted: " + workspace.CUESecretHint
		}
		list = append(list, diag.Finding{
			Code: "plaintext-secret", Severity: diag.Error, Position: n.Pos, Key: p.String(), Address: a.String(), Message: message,
			Hint: "if it was ever committed or pushed, change it at its source first; then " + next,
		})
	}
	return list
}

// sopsLimits finds ciphertext without what opens it, and in files with secrets the numbers that the sops CLI stumbles over.
func sopsLimits(f *workspace.File, meta *seal.Metadata) diag.List {
	var list diag.List
	for p, n := range f.Sealed.Leaves() {
		switch {
		case meta == nil && (n.Sealed || n.Kind == tree.String && strings.HasPrefix(n.Reveal(), "ENC[AES256_GCM,")):
			list = append(list, diag.Finding{
				Code: "seal-uncovered", Severity: diag.Error, Position: n.Pos, Key: p.String(),
				Message: "this is ciphertext, and the file has no sops: block that could open it",
				Hint:    "bring the block back from Git's history (git log -p " + f.Path + "), or set the value anew",
			})
		case meta != nil && n.Kind == tree.Int && !n.Secret && !fitsInt64(n):
			list = append(list, diag.Finding{
				Code: "sops-integer", Severity: diag.Error, Position: n.Pos, Key: p.String(),
				Message: "the sops CLI cannot open a file with an integer as large as this",
				Hint:    "keep it in a layer without secrets, or write it as a string (lcm set --string)",
			})
		}
	}
	return list
}

// fitsInt64 reports whether an integer is one for the sops CLI, which reads others as uint64 or refuses them.
func fitsInt64(n *tree.Node) bool {
	r, ok := n.Number()
	return ok && r.IsInt() && r.Num().IsInt64()
}

// recipients compares to whom a file is encrypted with to whom the tenant's policy says it should be.
func recipients(f *workspace.File, meta *seal.Metadata, t *workspace.Tenant) diag.List {
	var list diag.List
	hint := fmt.Sprintf("if %s is right, lcm keys sync --tenant %s re-encrypts the tenant's files to whom it names", t.File, t.Name)
	at := meta.Pos
	if at.IsZero() {
		at = diag.Position{File: f.Path}
	}
	foreign, absent := t.Difference(meta.Recipients)
	var extra, missing []string
	for _, key := range foreign {
		extra = append(extra, seal.ShortKey(key))
	}
	for _, r := range absent {
		name := seal.ShortKey(r.Key)
		if r.Name != "" {
			name = r.Name + " (" + name + ")"
		}
		missing = append(missing, name)
	}
	if len(extra) > 0 {
		list = append(list, diag.Finding{
			Code: "foreign-recipient", Severity: diag.Error, Position: at, Hint: hint,
			Message: fmt.Sprintf("the secrets are encrypted to %s, which %s does not name", strings.Join(extra, ", "), t.File),
		})
	}
	if len(extra)+len(missing) == 0 && !meta.Access.Equal(t.Access()) {
		list = append(list, diag.Finding{
			Code: "key-groups", Severity: diag.Error, Position: at, Hint: hint,
			Message: fmt.Sprintf("it takes %s to open the secrets, and by %s %s", takes(meta.Access), t.File, takes(t.Access())),
		})
	}
	if len(missing) > 0 {
		list = append(list, diag.Finding{
			Code: "missing-recipient", Severity: diag.Error, Position: at, Hint: hint,
			Message: fmt.Sprintf("the secrets are not encrypted to %s, which %s names", strings.Join(missing, ", "), t.File),
		})
	}
	return list
}

// takes says which keys it takes to open a file.
func takes(a seal.Access) string {
	if !a.Grouped() {
		return "one key"
	}
	sizes := make([]string, len(a.Groups))
	for i, group := range a.Groups {
		sizes[i] = strconv.Itoa(len(group))
	}
	return fmt.Sprintf("%s (of %s keys)", a, strings.Join(sizes, ", "))
}
