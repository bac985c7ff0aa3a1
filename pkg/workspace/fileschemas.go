package workspace

import (
	"embed"
	"slices"
	"strings"
)

// fileSchemas has the JSON Schemas by the names of what they describe.
//
//go:embed fileschemas/*.schema.json
var fileSchemas embed.FS

const fileSchemaExt = ".schema.json"

// FileSchemas gives the names of the files of a repository that have a JSON Schema, sorted; template.yaml stands for all
// templates.
func FileSchemas() []string {
	entries, err := fileSchemas.ReadDir("fileschemas")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), fileSchemaExt)
	}
	slices.Sort(names)
	return names
}

// FileSchema gives the JSON Schema, draft 2020-12, of one of [FileSchemas]; ok is false if it is none of them. It is for
// editors: it refuses nothing that the parsers here accept, and leaves open what it cannot say.
func FileSchema(name string) (data []byte, ok bool) {
	data, err := fileSchemas.ReadFile("fileschemas/" + name + fileSchemaExt)
	return data, err == nil
}
