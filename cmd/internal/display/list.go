package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
)

// Addresses is a list of addresses.
type Addresses struct {
	Items []AddressItem `json:"items"`
}

// AddressItem is one address.
type AddressItem struct {
	Address address.Address `json:"address"`
	Module  string          `json:"module,omitempty"`
	Layers  []string        `json:"layers,omitempty"` // files, lowest first
}

// AddressesText writes a list for people: an address a line, so that it can be piped on.
func AddressesText(t *term.IO, l Addresses, long bool) error {
	if !long {
		for _, item := range l.Items {
			if _, err := fmt.Fprintln(t.Out, item.Address); err != nil {
				return err
			}
		}
		return nil
	}
	s := t.Style()
	rows := [][]string{{s.Dim("ADDRESS"), s.Dim("MODULE"), s.Dim("LAYERS")}}
	for _, item := range l.Items {
		layers := make([]string, len(item.Layers))
		for i, file := range item.Layers {
			if a, ok := address.FromFile(file); ok {
				layers[i] = a.Tenant + "/" + a.Environment
			}
		}
		rows = append(rows, []string{item.Address.String(), item.Module, s.Dim(strings.Join(layers, " < "))})
	}
	return columns(t.Out, rows)
}
