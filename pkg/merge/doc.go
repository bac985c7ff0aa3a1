// Package merge merges three versions of a configuration file by key, as Git's merge driver and afterwards.
//
// [Merge] merges: what one side changed is taken over, what both changed in different ways is a conflict at that key alone,
// marked in the text as Git marks conflicts. Comments of both sides stay where their lines do. Secrets are compared by value
// where a key opens them, keep their ciphertext where they did not change, and are covered by a new MAC; without a key the
// plain part is merged all the same, and the outcome says what is left to do.
//
// [Regions] reads the conflicts of a file, [Choose] and [Set] resolve them, [Finish] seals a file whose conflicts were
// resolved, by these or by hand. A file that is not YAML, or that cannot be merged by key, is merged by line, as Git does.
package merge
