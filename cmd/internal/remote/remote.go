// Package remote opens the targets that are reached over a network. Only lcm-remote links it: the clients of stores cost
// every start of a program milliseconds, and most starts need none.
package remote

import (
	"fmt"
	"os"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/objstore"
	"github.com/llm-devops/lcm/pkg/publish/vault"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Opener gives what opens targets of the types s3 and vault. Nothing is connected before it is first used. Credentials come
// from the environment and the home directory.
func Opener(getenv func(string) string) command.OpenRemote {
	return func(t workspace.Target) (publish.Store, publish.SecretStore, error) {
		switch t.Type {
		case "s3":
			store, err := objstore.Open(objstore.Options{Endpoint: t.Endpoint, Bucket: t.Bucket, Region: t.Region})
			if err != nil {
				return nil, nil, err
			}
			return store, nil, nil
		case "vault":
			v, err := openVault(t, getenv)
			if err != nil {
				return nil, nil, err
			}
			return vault.Objects(v), v, nil
		}
		return nil, nil, fmt.Errorf("target %s has the unknown type %q", t.Name, t.Type)
	}
}

func openVault(t workspace.Target, getenv func(string) string) (*vault.Store, error) {
	home := getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // without one there is no .vault-token
	}
	return vault.Open(vault.Options{
		Address: t.Address, Namespace: t.VaultNS, Mount: t.Mount,
		Auth: vault.Auth{
			Method: t.Auth.Method, Mount: t.Auth.Mount, RoleID: t.Auth.Role, Role: t.Auth.Role, JWTFile: t.Auth.JWTFile, SecretIDFile: t.Auth.SecretIDFile,
			Getenv: getenv, Home: home,
		},
	})
}
