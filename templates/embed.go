// Package templates holds the templates that come with lcm, one YAML file each; docs/templates.md says how they are written.
//
// [FS] has them by file name: llm_inference_openai.yaml is the template llm_inference_openai, and an older version of it, to
// which repositories may be held, is llm_inference_openai@1.0.0.yaml. Each names the module whose schema its result satisfies,
// and gives an example for every variable that has to be set. One of each module is named as the module and starts a namespace
// of it: model_router.yaml for model-router.
package templates

import "embed"

// FS holds the built-in templates, *.yaml at its root.
//
//go:embed *.yaml
var FS embed.FS
