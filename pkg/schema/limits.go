package schema

import (
	"time"

	"github.com/llm-devops/lcm/pkg/cuesource"
)

// The bounds on schemas, beside those on every CUE source.
const (
	maxShapes    = 20000
	maxTreeDepth = 200 // of a configuration
	compileTime  = 5 * time.Second
	validateTime = 5 * time.Second
)

// sourceRules are what cuesource does not know of schemas.
var sourceRules = cuesource.Rules{What: "schema", Syntax: CodeSyntax, Import: CodeImport, Limit: CodeLimit, ImportHint: `, and other modules as "` + moduleImports + `NAME"`}
