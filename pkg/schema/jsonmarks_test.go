package schema

import "testing"

// A secret is one wherever a schema declares it: what is not known to be one is stored in the clear.
func TestSecretsOfJSONSchema(t *testing.T) {
	m, found := jsonModule(t, `{"x-module": {"name": "m", "version": "1.0.0"},
		"properties": {
			"plain": {"type": "string", "x-secret": "a"},
			"ref": {"$ref": "#/$defs/Token"},
			"refbeside": {"$ref": "#/$defs/Any", "x-secret": "b"},
			"list": {"type": "array", "items": {"$ref": "#/$defs/Login"}},
			"listed": {"type": "array", "items": {"type": "string", "x-secret": "c"}},
			"pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "string", "x-secret": "d"}]},
			"map": {"type": "object", "additionalProperties": {"type": "string", "x-secret": "e"}},
			"pattern": {"type": "object", "patternProperties": {"^k": {"type": "string", "x-secret": "f"}}},
			"all": {"allOf": [{"type": "object", "properties": {"in": {"type": "string", "x-secret": "g"}}}, {"properties": {"out": {"type": "string"}}}]},
			"any": {"anyOf": [{"type": "object", "properties": {"in": {"type": "string", "x-secret": "h"}}}, {"type": "object", "properties": {"out": {"type": "string"}}}]},
			"one": {"oneOf": [{"type": "object", "required": ["in"], "properties": {"in": {"type": "string", "x-secret": "i"}}}, {"type": "object", "required": ["out"]}]},
			"kinds": {"oneOf": [{"type": "string", "x-secret": "j"}, {"type": "integer"}]},
			"told": {"type": "object", "oneOf": [
				{"required": ["k"], "properties": {"k": {"const": "x"}, "in": {"type": "string", "x-secret": "k"}}},
				{"required": ["k"], "properties": {"k": {"const": "y"}}}]},
			"deep": {"anyOf": [{"type": "object", "properties": {"one": {"oneOf": [{"type": "object", "required": ["in"], "properties": {"in": {"x-secret": "l"}}}, {"type": "object", "required": ["out"]}]}}}, {"type": "object"}]},
			"then": {"type": "object", "if": {"required": ["x"]}, "then": {"properties": {"in": {"type": "string", "x-secret": "m"}}}, "else": {"properties": {"out": {"type": "string", "x-secret": "n"}}}},
			"dependent": {"type": "object", "dependentSchemas": {"x": {"properties": {"in": {"type": "string", "x-secret": "o"}}}}},
			"default": {"type": "string", "default": "x", "x-secret": "p"},
			"nullable": {"type": ["string", "null"], "x-secret": "q"},
			"anything": {"x-secret": "r"},
			"closed": {"anyOf": [{"type": "object", "additionalProperties": false, "properties": {"in": {"type": "string", "x-secret": "s"}}}, {"type": "object", "additionalProperties": false}]}
		},
		"if": {"properties": {"plain": {"const": "x"}}, "required": ["plain"]}, "then": {"properties": {"sometimes": {"type": "string", "x-secret": "t"}}},
		"$defs": {
			"Token": {"type": "string", "x-secret": "u"},
			"Any": true,
			"Login": {"type": "object", "properties": {"user": {"type": "string"}, "password": {"type": "string", "x-secret": "v"}}}
		}}`)
	if len(found) > 0 {
		t.Fatal(found)
	}
	for key, want := range map[string]string{
		"plain": "a", "ref": "u", "refbeside": "b", "list[0].password": "v", "listed[3]": "c", "pair[1]": "d", "map.x": "e", "pattern.k1": "f",
		"all.in": "g", "any.in": "h", "one.in": "i", "kinds": "j", "told.in": "k", "deep.one.in": "l", "then.in": "m", "then.out": "n",
		"dependent.in": "o", "default": "p", "nullable": "q", "anything": "r", "anything.below[0]": "r", "closed.in": "s", "sometimes": "t",
	} {
		if f, ok := m.Field(path(t, key)); !ok || !f.Secret || f.SecretType != want {
			t.Errorf("%s: known %t, %s; want secret of type %s", key, ok, brief(f), want)
		}
	}
	for _, key := range []string{"list[0].user", "all.out", "told.k", "pair[0]"} {
		if f, ok := m.Field(path(t, key)); !ok || f.Secret {
			t.Errorf("%s: known %t, %s; want not secret", key, ok, brief(f))
		}
	}
}
