package main

import (
	"fmt"
	"os"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// pluginMain is an age plugin, for scripts: as real as one for a token, with the private key in the identity itself. With the
// arguments new and FILE it writes an identity to FILE and prints the recipient.
func pluginMain() {
	if len(os.Args) == 3 && os.Args[1] == "new" {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			panic(err)
		}
		identity := plugin.EncodeIdentity("test", []byte(id.String()))
		if err := os.WriteFile(os.Args[2], []byte(identity+"\n"), 0o600); err != nil {
			panic(err)
		}
		fmt.Println(plugin.EncodeRecipient("test", []byte(id.Recipient().String())))
		return
	}
	p, err := plugin.New("test")
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return age.ParseX25519Recipient(string(data)) })
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return age.ParseX25519Identity(string(data)) })
	os.Exit(p.Main())
}
