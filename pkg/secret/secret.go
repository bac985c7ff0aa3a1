// Package secret holds values that must not be shown by accident.
//
// A [Text] prints as [Mask] under every fmt verb, in JSON, in YAML and in slog; only [Text.Reveal] gives the value.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask stands wherever a secret's value would.
const Mask = "••••••••"

// Text is a secret string. The zero value is the empty secret.
type Text struct{ value string }

// New wraps a value.
func New(value string) Text { return Text{value} }

// Reveal gives the value itself.
func (t Text) Reveal() string { return t.value }

// IsZero reports whether the value is empty.
func (t Text) IsZero() bool { return t.value == "" }

// String implements [fmt.Stringer] with the mask.
func (Text) String() string { return Mask }

// GoString implements [fmt.GoStringer] with the mask.
func (Text) GoString() string { return Mask }

// Format implements [fmt.Formatter], so that no verb reaches the value by reflection.
func (Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Mask) }

// MarshalText implements [encoding.TextMarshaler] with the mask: JSON, YAML and XML encoders all use it.
func (Text) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue implements [slog.LogValuer] with the mask.
func (Text) LogValue() slog.Value { return slog.StringValue(Mask) }
