package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// write makes dir hold the given pages and no other generated ones; files written by hand stay.
func write(dir string, all []page) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder for the command reference: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return fmt.Errorf("list the command reference: %w", err)
	}
	for _, file := range old {
		if slices.ContainsFunc(all, func(p page) bool { return p.name == filepath.Base(file) }) {
			continue
		}
		if err := removeGenerated(file); err != nil {
			return err
		}
	}
	for _, p := range all {
		if err := os.WriteFile(filepath.Join(dir, p.name), p.body, 0o644); err != nil {
			return fmt.Errorf("write command reference: %w", err)
		}
	}
	return nil
}

func removeGenerated(file string) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read command reference: %w", err)
	}
	if !bytes.HasPrefix(src, []byte(generated)) {
		return nil
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove stale page: %w", err)
	}
	return nil
}
