package display

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// listed gives a report in which a list of nothing is written as [] and never as null: whoever reads a list can go through it. The
// report itself stays as it is. Types that write themselves are left to do so.
func listed(report any) any {
	v := reflect.ValueOf(report)
	if !v.IsValid() {
		return report
	}
	return withLists(v).Interface()
}

func withLists(v reflect.Value) reflect.Value {
	t := v.Type()
	if writesItself(t) {
		return v
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(t.Elem())
		out.Elem().Set(withLists(v.Elem()))
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return withLists(v.Elem())
	case reflect.Struct:
		out := reflect.New(t).Elem()
		out.Set(v)
		for i := range t.NumField() {
			if out.Field(i).CanSet() {
				out.Field(i).Set(withLists(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // text in base64
			return v
		}
		out := reflect.MakeSlice(t, v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(withLists(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(t, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			out.SetMapIndex(entries.Key(), withLists(entries.Value()))
		}
		return out
	}
	return v
}

func writesItself(t reflect.Type) bool {
	for _, as := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(as) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(as) {
			return true
		}
	}
	return false
}
