package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/schemas"
)

func run(*cobra.Command, []string) {}

func sample() *cobra.Command {
	root := &cobra.Command{Use: "lcm", Short: "configuration in Git"}
	root.PersistentFlags().StringP("dir", "C", "", "run as if started in `DIR`")
	tenant := &cobra.Command{Use: "tenant", Short: "manage tenants"}
	add := &cobra.Command{
		Use: "add NAME", Short: "add a tenant", Run: run,
		Long:    "Writes the tenant's file.\n\nIt holds:\n  name        its name\n  recipients  its keys\n\nThen it commits.",
		Example: "  # with a key\n  lcm tenant add acme --recipient age1…",
	}
	add.Flags().StringSlice("recipient", nil, "encrypt to `KEY` (age1… | ssh-ed25519 …)")
	add.Flags().Int("max", 3, "at most so many")
	add.Flags().Bool("secret-door", false, "")
	if err := add.Flags().MarkHidden("secret-door"); err != nil {
		panic(err)
	}
	gone := &cobra.Command{Use: "gone", Hidden: true, Run: run}
	tenant.AddCommand(add, gone)
	root.AddCommand(tenant)
	return root
}

func TestPages(t *testing.T) {
	got, err := pages(sample())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range got {
		names = append(names, p.name)
	}
	if want := []string{"lcm-tenant-add.md", "lcm-tenant.md", "lcm.md"}; !slices.Equal(names, want) {
		t.Fatalf("pages %v, want %v", names, want)
	}
	want := generated + `
# lcm tenant add

Add a tenant.

~~~
lcm tenant add NAME [flags]
~~~

Writes the tenant's file.

It holds:

~~~
name        its name
recipients  its keys
~~~

Then it commits.

## Examples

~~~
# with a key
lcm tenant add acme --recipient age1…
~~~

## Flags

| flag | |
|---|---|
| ~--max int~ | at most so many (default 3) |
| ~--recipient KEY~ | encrypt to KEY (age1… \| ssh-ed25519 …) |

## Flags of all commands

| flag | |
|---|---|
| ~-C, --dir DIR~ | run as if started in DIR |

Up: [lcm tenant](lcm-tenant.md)
`
	if diff := cmp.Diff(strings.ReplaceAll(want, "~", "`"), string(got[0].body)); diff != "" {
		t.Errorf("lcm-tenant-add.md (-want +got):\n%s", diff)
	}
}

func TestPagesRefuseUndocumented(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(root, add *cobra.Command)
		want  string
	}{
		{"short", func(_, add *cobra.Command) { add.Short = "" }, "lcm tenant add: no short description"},
		{"example", func(_, add *cobra.Command) { add.Example = "" }, "lcm tenant add: no example"},
		{"flag", func(_, add *cobra.Command) { add.Flags().Bool("force", false, " ") }, "lcm tenant add: flag --force: no description"},
		{"persistent flag", func(root, _ *cobra.Command) { root.PersistentFlags().Bool("loud", false, "") }, "lcm: flag --loud: no description"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := sample()
			add, _, err := root.Find([]string{"tenant", "add"})
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(root, add)
			if _, err = pages(root); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWriteRemovesStalePagesOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "commands")
	if err := write(dir, generated, []page{{"lcm.md", []byte(generated)}, {"lcm-old.md", []byte(generated)}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.md"), []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, generated, []page{{"lcm.md", []byte(generated)}}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"lcm.md", "notes.md"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	all, err := pages(lcm())
	if err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(all, func(p page) bool { return p.name == "lcm-set.md" }) {
		t.Errorf("no page for lcm set among %d pages", len(all))
	}
}

func TestModulePages(t *testing.T) {
	all, err := modulePages(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 23 || all[0].name != "README.md" {
		t.Fatalf("%d pages, the first is %s", len(all), all[0].name)
	}
	for _, p := range all[1:] {
		if !bytes.HasPrefix(p.body, []byte(generatedFromSchema+"\n# ")) || !bytes.Contains(p.body, []byte("| key | type | default | |")) {
			t.Errorf("%s: %.100s", p.name, p.body)
		}
		if link := "](" + p.name + ")"; !bytes.Contains(all[0].body, []byte(link)) {
			t.Errorf("the list has no %s", link)
		}
	}
}
