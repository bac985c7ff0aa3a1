// Package seal reads and writes secrets in the SOPS file format, for YAML files encrypted to age, SSH and PGP recipients, and to keys of Vault.
//
// [Sealed] gives a file's tree with its secrets still closed and needs no key; [Open] opens them and checks the MAC.
// [Edit] changes values: plain ones without a key and without touching the sops block, secret ones so that only their own
// lines, mac and lastmodified change. [Rekey] changes who can open a file. [Inspect] reads the sops block alone. A
// [Keyring] finds the user's identities where SOPS finds them, once. [SealTo] makes whole age files.
//
// What is written has encrypted_regex and mac_only_encrypted and is opened by the sops CLI; files of that CLI with another
// selection of keys, or with a MAC over all values, can be opened too. Where a file has key groups, its data key is split among
// them by Shamir's secret sharing, as SOPS does it. What this package does not support (cloud keys alone) it refuses by name and position. Every edit opens its own result in memory before it
// returns it.
//
// The format guarantees that no secret was changed, moved between keys, removed or added without the data key. It does not
// cover plain values, the recipients, or encrypted_regex, and a value's type only as far as the type changes its bytes:
// who may read must come from elsewhere. The format is described at https://getsops.io/docs/ and defined by the code of
// github.com/getsops/sops/v3.
package seal
