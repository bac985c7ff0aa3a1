package scaffold

import (
	"strings"
)

// Template gives the text of a new template, with comments that say what goes where. module and tenants may be empty.
func Template(module string, tenants []string) []byte {
	var b strings.Builder
	b.WriteString(`# What is below "template:" describes this template; all else is configuration, as in a layer file.
template:
  version: 1.0.0                     # who extends NAME@1 gets the newest 1.x
  description: ""                    # one sentence: lcm template list shows it
`)
	if module != "" {
		b.WriteString("  module: " + module + "\n")
	} else {
		b.WriteString("  # module: inference-engine         # whose schema it is held against; left out, it is for any\n")
	}
	if len(tenants) > 0 {
		b.WriteString("  tenants: [" + strings.Join(tenants, ", ") + "]\n")
	} else {
		b.WriteString("  # tenants: [acme]                  # who may extend it; left out, everyone\n")
	}
	b.WriteString(`  # extends: NAME@1                  # another template, or a list of them, below this one
  # values: {region: eu-central-1}   # fixes variables of those
  variables:
    # Types are string, integer, number, boolean, list, map and any. A variable without a default has to be set, unless
    # it says required: false or every placeholder of it has a default of its own.
`)
	// With a module the schema says which keys there are: then what is shown is a comment, so that the file is valid as it is.
	mark := ""
	if module != "" {
		mark = "# "
	}
	b.WriteString("    " + mark + `name: {type: string, description: "what to replace this by", example: example}

# A placeholder is {{name}} or {{name | filter}}; the filters are default: VALUE, upper, lower, trim, replace: "a", "b",
# join: ", ", json, string and number. A value that is a placeholder and nothing else keeps its type. Braces that somebody
# else fills are written \{{like this}}.
` + mark + `labels:
` + mark + `  name: "{{name}}"
`)
	return []byte(b.String())
}
