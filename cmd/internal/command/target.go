package command

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/dir"
	"github.com/llm-devops/lcm/pkg/publish/objstore"
	"github.com/llm-devops/lcm/pkg/publish/vault"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// openTarget opens the store, and the secret store if there is one, of a target of lcm.yaml.
func (e *env) openTarget(root string, t workspace.Target) (publish.Target, error) {
	prefix := strings.Trim(t.Prefix, "/")
	out := publish.Target{Name: t.Name, Layout: bundle.Layout{Prefix: prefix, VaultPrefix: prefix}}
	var err error
	switch t.Type {
	case "dir":
		path := t.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, filepath.FromSlash(path))
		}
		out.Store, err = dir.Open(path)
	case "s3":
		out.Store, err = objstore.Open(objstore.Options{Endpoint: t.Endpoint, Bucket: t.Bucket, Region: t.Region})
	case "vault":
		var v *vault.Store
		if v, err = e.openVault(t); err == nil {
			out.Store, out.Secrets = vault.Objects(v), v
		}
	default:
		err = fmt.Errorf("target %s has the unknown type %q", t.Name, t.Type)
	}
	if err != nil {
		return out, err
	}
	if t.Secrets != nil {
		v, err := e.openVault(*t.Secrets)
		if err != nil {
			return out, err
		}
		out.Secrets = v
		if p := strings.Trim(t.Secrets.Prefix, "/"); p != "" {
			out.Layout.VaultPrefix = p
		}
	}
	return out, nil
}

func (e *env) openVault(t workspace.Target) (*vault.Store, error) {
	return vault.Open(vault.Options{
		Address: t.Address, Namespace: t.VaultNS, Mount: t.Mount,
		Auth: vault.Auth{
			Method: t.Auth.Method, Mount: t.Auth.Mount, RoleID: t.Auth.Role, Role: t.Auth.Role, JWTFile: t.Auth.JWTFile, SecretIDFile: t.Auth.SecretIDFile,
			Getenv: e.Getenv, Home: e.home(),
		},
	})
}
