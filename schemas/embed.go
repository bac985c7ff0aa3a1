// Package schemas holds the built-in schema modules of the LLM platform's services, one CUE file each.
//
// [FS] has them by file name: inference_engine.cue is the module inference-engine. Each file stands alone (imports from
// CUE's standard library only), names its module in a file-level @module attribute and its root in the closed definition
// #Config. The doc comment of every field is its entry in the reference, so each says what the field does and in which unit.
//
// Field attributes tell lcm what CUE cannot: @secret(type, rotate) for what is stored encrypted, @merge(append) and
// @merge(key=name) for lists that do not simply replace the inherited one, @promote(never) for what is bound to its
// environment. No name of a secret field is also the name of a plain field, in any module, because the SOPS format chooses
// what to encrypt by name.
package schemas

import "embed"

// FS holds the built-in modules, *.cue at its root.
//
//go:embed *.cue
var FS embed.FS
