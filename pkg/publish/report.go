package publish

import (
	"github.com/llm-devops/lcm/pkg/bundle"
)

// Action is what happens to a unit or a namespace.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Remove    Action = "remove"    // a namespace only
	Keep      Action = "keep"      // a namespace that is not among those given: it stays as it is published
	Repair    Action = "repair"    // same configuration, but objects of it are missing or damaged
	Unchanged Action = "unchanged" // nothing to do
)

// Plan says what publishing would change. It is made by [NewPlan] and carried out by [Apply], once.
type Plan struct {
	Target  string      `json:"target"`
	Store   string      `json:"store"`
	Secrets string      `json:"secrets,omitempty"` // the secret store; "" if secrets travel sealed
	Units   []*UnitPlan `json:"units"`             // by tenant and environment

	target Target
	opts   Options
}

// Changed reports whether anything is to be done.
func (p *Plan) Changed() bool {
	for _, u := range p.Units {
		if u.Action != Unchanged {
			return true
		}
	}
	return false
}

// UnitPlan is the part of a plan for one tenant and environment.
type UnitPlan struct {
	bundle.Unit
	Action     Action          `json:"action"`
	OldSerial  int64           `json:"oldSerial,omitempty"` // 0 if nothing is active
	NewSerial  int64           `json:"newSerial,omitempty"` // 0 if it stays; can get higher when a dead run left manifests
	OldCommit  string          `json:"oldCommit,omitempty"`
	NewCommit  string          `json:"newCommit"`
	Rollback   bool            `json:"rollback,omitempty"` // allowed, and the active version is not older
	Namespaces []NamespacePlan `json:"namespaces"`         // by name

	bundle *bundle.Bundle
	active *bundle.Active // nil if nothing is active, or it is damaged and to be replaced
	tag    string         // of the pointer as it was seen, "" if there was none
	floor  int64          // the highest serial that may not be used again
}

// NamespacePlan is the part of a plan for one namespace.
type NamespacePlan struct {
	Name      string        `json:"name"`
	Action    Action        `json:"action"`
	OldDigest bundle.Digest `json:"oldDigest,omitempty"`
	NewDigest bundle.Digest `json:"newDigest,omitempty"`
	OldSize   int64         `json:"oldSize,omitempty"` // bytes
	NewSize   int64         `json:"newSize,omitempty"`
	OldModule string        `json:"oldModule,omitempty"`
	NewModule string        `json:"newModule,omitempty"`
	OldSchema string        `json:"oldSchema,omitempty"`
	NewSchema string        `json:"newSchema,omitempty"`
	Secrets   SecretsPlan   `json:"secrets"`

	old     *bundle.Entry      // as published
	item    *bundle.Item       // nil for Remove and Keep
	secrets *bundle.SecretsRef // what is published already and stays; nil if it must be staged, or there are none
	broken  []string           // object keys to write again
}

// SecretsPlan says by key what happens to the secrets of a namespace.
type SecretsPlan struct {
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`

	// Resealed says that the sealed secrets are made anew because a ciphertext or the recipients changed. Which values
	// changed is not known then, and Changed is empty.
	Resealed bool `json:"resealed,omitempty"`
	// Moved says that the secrets were sealed and go to a vault, or the other way, or to another place in it.
	Moved bool `json:"moved,omitempty"`
}

func (s *SecretsPlan) any() bool {
	return len(s.Added)+len(s.Changed)+len(s.Removed) > 0 || s.Resealed || s.Moved
}

// Result says what [Apply] did.
type Result struct {
	Target string       `json:"target"`
	Units  []UnitResult `json:"units"` // in the order of the plan
}

// UnitResult is what happened to one unit.
type UnitResult struct {
	bundle.Unit
	Action Action        `json:"action"`
	Serial int64         `json:"serial,omitempty"`   // the active one, afterwards
	Digest bundle.Digest `json:"manifest,omitempty"` // of its signed manifest
	Commit string        `json:"commit,omitempty"`
	Error  string        `json:"error,omitempty"` // why the unit was not published; its old version is still active
}

// Stage is a step of publishing a unit.
type Stage string

// The stages, in order. A unit ends with StageDone or StageFailed.
const (
	StageStarted  Stage = "started"
	StageStaging  Stage = "staging"  // documents and secrets, with counts
	StageManifest Stage = "manifest" // signed and stored
	StageDone     Stage = "done"     // the pointer is replaced
	StageFailed   Stage = "failed"
)

// Event is one step of progress.
type Event struct {
	Unit   bundle.Unit
	Stage  Stage
	Done   int // objects staged, of Total
	Total  int
	Serial int64 // from StageManifest on
	Err    error // of StageFailed
}

// Observer is told of progress. It is called for one event at a time, from any goroutine, and must not block.
type Observer interface{ Observe(Event) }

// ConflictError says that another publisher was first. It wraps [ErrConflict].
type ConflictError struct {
	Unit   bundle.Unit
	Serial int64 // that is active now; 0 if it cannot be told
	Commit string
	Signer string // who signed it
}
