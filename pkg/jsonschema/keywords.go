package jsonschema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// role is what the value of a keyword has to be.
type role uint8

const (
	isNote    role = iota // says something to readers
	isSchema              // a schema
	isSchemas             // a list of schemas
	isByName              // an object of schemas
	isText
	isNumber
	isCount // an integer that is not negative
	isBool
	isList
	isNames // a list of texts
	isNamesByName
	isTypes
	isMark
	isUnsaid // cannot be said in CUE
)

// The keywords of JSON Schema 2020-12, and lcm's own.
var vocabulary = map[string]role{
	"$schema": isText, "$id": isText, "$comment": isText, "$ref": isText, "$anchor": isText, "$defs": isByName, "definitions": isByName,
	"$dynamicRef": isUnsaid, "$dynamicAnchor": isUnsaid, "$vocabulary": isNote,

	"allOf": isSchemas, "anyOf": isSchemas, "oneOf": isSchemas, "not": isSchema,
	"if": isSchema, "then": isSchema, "else": isSchema, "dependentSchemas": isByName,
	"prefixItems": isSchemas, "items": isSchema, "contains": isSchema,
	"properties": isByName, "patternProperties": isByName, "additionalProperties": isSchema, "propertyNames": isSchema,
	"unevaluatedItems": isUnsaid, "unevaluatedProperties": isUnsaid,

	"type": isTypes, "enum": isList, "const": isNote,
	"multipleOf": isNumber, "maximum": isNumber, "exclusiveMaximum": isNumber, "minimum": isNumber, "exclusiveMinimum": isNumber,
	"maxLength": isCount, "minLength": isCount, "pattern": isText,
	"maxItems": isCount, "minItems": isCount, "uniqueItems": isBool, "maxContains": isCount, "minContains": isCount,
	"maxProperties": isCount, "minProperties": isCount, "required": isNames, "dependentRequired": isNamesByName,
	"format": isText,

	"title": isText, "description": isText, "default": isNote, "examples": isNote, "deprecated": isNote, "readOnly": isNote, "writeOnly": isNote,
	"contentEncoding": isNote, "contentMediaType": isNote, "contentSchema": isNote,

	"x-module": isNote, "x-secret": isMark, "x-rotation": isMark, "x-merge": isMark, "x-promote": isMark,
}

var definitionKeys = [...]string{"$defs", "definitions"}

// instead says what to write for what cannot be said.
var instead = map[string]string{
	"unevaluatedProperties": "write additionalProperties: false where the properties are",
	"unevaluatedItems":      "write items: false beside prefixItems",
	"$dynamicRef":           "refer by $ref",
	"$dynamicAnchor":        "refer by $ref, and name the place by $anchor",
}

// check checks a schema and all below it against the vocabulary.
func (t *translator) check(s *value) {
	if s.kind == boolean || t.checked[s] {
		return
	}
	t.checked[s] = true
	if s.kind != object {
		t.refuse(t.rules.Invalid, s.pos, "a schema is an object, true or false", "")
		return
	}
	for _, m := range s.members {
		role, known := vocabulary[m.key]
		switch {
		case known:
			t.checkKeyword(m, role)
		case strings.HasPrefix(m.key, "x-"):
			if near := diag.Nearest(m.key, marks[:]); len(near) > 0 {
				t.refuse(t.rules.Mark, m.pos, fmt.Sprintf("there is no keyword %q", m.key), "did you mean "+near[0]+"?")
			}
		default:
			t.refuse(t.rules.Invalid, m.pos, fmt.Sprintf("%q is no keyword of JSON Schema 2020-12", m.key),
				diag.DidYouMean(m.key, keywordNames(), `it would have no effect; keywords of your own begin with "x-"`))
		}
	}
	if a := s.get("$anchor"); a != nil {
		t.anchors[a.text] = s
	}
	if id := s.get("$id"); id != nil && s != t.root {
		t.refuse(t.rules.Invalid, id.pos, "$id is only supported at the root", "name the place by $anchor")
	}
	t.checkMarks(s)
}

func keywordNames() []string {
	var list []string
	for k := range vocabulary {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func (t *translator) checkKeyword(m member, r role) {
	v := m.value
	wrong := func(what string) { t.refuse(t.rules.Invalid, v.pos, m.key+" is not "+what, "") }
	each := func(list []*value) {
		for _, item := range list {
			t.check(item)
		}
	}
	switch r {
	case isSchema:
		t.check(v)
		if at := markBelow(v); at != nil && slices.Contains(asking[:], m.key) {
			t.refuse(t.rules.Mark, at.pos, fmt.Sprintf("%s means nothing below %s, which only asks", at.key, m.key), "mark the field where it is declared")
		}
	case isSchemas:
		if v.kind != array || len(v.items) == 0 {
			wrong("a list of schemas")
		}
		each(v.items)
	case isByName:
		if v.kind != object {
			wrong("an object of schemas")
		}
		for _, m := range v.members {
			t.check(m.value)
		}
	case isText:
		if v.kind != text {
			wrong("text")
		}
	case isNumber:
		if v.kind != number || m.key == "multipleOf" && (v.text[0] == '-' || strings.Trim(v.text, "0.eE") == "") {
			wrong("a number" + map[bool]string{true: " above 0"}[m.key == "multipleOf"])
		}
	case isCount:
		if v.kind != number || strings.Trim(v.text, "0123456789") != "" {
			wrong("a number of things")
		}
	case isBool:
		if v.kind != boolean {
			wrong("true or false")
		}
	case isList:
		if v.kind != array || len(v.items) == 0 {
			wrong("a list of values")
		}
	case isNames:
		if !isNameList(v) {
			wrong("a list of names")
		}
	case isNamesByName:
		if v.kind != object || slices.ContainsFunc(v.members, func(m member) bool { return !isNameList(m.value) }) {
			wrong("an object of lists of names")
		}
	case isTypes:
		if _, ok := kindsOf(v); !ok {
			wrong("a type, or a list of types")
			t.found[len(t.found)-1].Hint = "the types are " + strings.Join(typeNames[:], ", ")
		}
	case isUnsaid:
		if m.key == "unevaluatedProperties" && v.isTrue() || m.key == "unevaluatedItems" && v.isTrue() {
			return
		}
		t.refuse(t.rules.Invalid, m.pos, m.key+" is not supported", instead[m.key])
	case isNote, isMark:
	}
}

// asking are the keywords whose schemas say nothing about what is there.
var asking = [...]string{"if", "not", "contains", "propertyNames"}

// markBelow finds a mark in a schema.
func markBelow(s *value) *member {
	for i, m := range s.members {
		if slices.Contains(marks[:], m.key) && !m.value.isFalse() {
			return &s.members[i]
		}
		if at := markBelow(m.value); at != nil && m.key != "enum" && m.key != "const" && m.key != "default" && m.key != "examples" {
			return at
		}
	}
	for _, item := range s.items {
		if at := markBelow(item); at != nil {
			return at
		}
	}
	return nil
}

func isNameList(v *value) bool {
	return v.kind == array && !slices.ContainsFunc(v.items, func(i *value) bool { return i.kind != text })
}

// kinds is a set of kinds of values, with integers as one of their own.
type kinds uint16

const integer kind = object + 1

func of(list ...kind) (k kinds) {
	for _, one := range list {
		k |= 1 << one
	}
	return k
}

const all = kinds(1<<null | 1<<boolean | 1<<number | 1<<integer | 1<<text | 1<<array | 1<<object)

func (k kinds) has(one kind) bool { return k&(1<<one) != 0 }

var typeNames = [...]string{"null", "boolean", "number", "string", "array", "object", "integer"} // by kind

// kindsOf reads type.
func kindsOf(v *value) (kinds, bool) {
	names := []*value{v}
	if v.kind == array {
		names = v.items
	}
	var k kinds
	for _, n := range names {
		i := slices.Index(typeNames[:], n.text)
		if n.kind != text || i < 0 {
			return 0, false
		}
		k |= of(kind(i))
		if kind(i) == number {
			k |= of(integer)
		}
	}
	return k, k != 0
}

// kindOfValue gives what a value is an instance of.
func kindOfValue(v *value) kinds {
	if v.kind == number && !strings.ContainsAny(v.text, ".eE") {
		return of(integer)
	}
	return of(v.kind)
}
