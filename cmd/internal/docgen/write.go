package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// write makes dir hold the given pages and no others that open with mark; files written by hand stay.
func write(dir, mark string, all []page) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder for the reference: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return fmt.Errorf("list the reference: %w", err)
	}
	for _, file := range old {
		if slices.ContainsFunc(all, func(p page) bool { return p.name == filepath.Base(file) }) {
			continue
		}
		if err := removeGenerated(file, mark); err != nil {
			return err
		}
	}
	for _, p := range all {
		if err := os.WriteFile(filepath.Join(dir, p.name), p.body, 0o644); err != nil {
			return fmt.Errorf("write reference: %w", err)
		}
	}
	return nil
}

func removeGenerated(file, mark string) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read reference: %w", err)
	}
	if !bytes.HasPrefix(src, []byte(mark)) {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove stale page: %w", err)
	}
	return nil
}
