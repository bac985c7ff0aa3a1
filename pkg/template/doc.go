// Package template makes configuration from templates: YAML files with typed variables, whose values go into parsed scalars.
//
// [NewSet] takes the files; [Set.Find] gives one of them by name and version, [Set.Check] what is wrong with it, and
// [Set.Apply] what a layer file that extends some of them gets: one tree per template, lowest first, whose scalars have
// their place in the template's file.
//
// A placeholder is {{ name.with.dots | filter: argument }}, and nothing more: no tags, no includes, no code. A template is
// parsed as YAML before a value goes in, so no value can add a key, end a string or become a directive. Everything here is
// pure: the same files and values always give the same trees.
package template
