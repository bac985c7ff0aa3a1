package publish_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/dir"
	"github.com/llm-devops/lcm/pkg/publish/mem"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var errDead = errors.New("the process is dead")

// faulty gives a world whose publisher goes through f; its reader does not.
func (w *world) faulty(f *publishtest.Faulty) *world {
	broken := *w
	broken.target.Store = f.Store(w.target.Store)
	if w.target.Secrets != nil {
		broken.target.Secrets = f.Secrets(w.target.Secrets)
	}
	return &broken
}

// A publisher that dies at any request, before it or after it took effect, leaves a whole version, and the next completes.
func TestDeathAnywhere(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(t *testing.T) *world
	}{
		{"vault", func(t *testing.T) *world { return newWorld(t, &mem.Store{}, &mem.Secrets{}) }},
		{"sealed", func(t *testing.T) *world { return newWorld(t, &mem.Store{}, nil) }},
		{"directory", func(t *testing.T) *world { return newWorld(t, openDir(t, t.TempDir()), nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := &publishtest.Faulty{}
			w := c.open(t)
			w.mustPublish(t, w.input(acme, "one", 0))
			w.faulty(count).mustPublish(t, w.input(acme, "two", 1))
			if count.Count() < 12 {
				t.Fatalf("only %d requests were seen", count.Count())
			}
			for k := 1; k <= count.Count(); k++ {
				for _, effect := range []bool{false, true} {
					dieAt(t, c.open(t), k, effect)
				}
			}
		})
	}
}

func openDir(t *testing.T, path string) *dir.Store {
	t.Helper()
	s, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func dieAt(t *testing.T, w *world, k int, effect bool) {
	t.Helper()
	w.mustPublish(t, w.input(acme, "one", 0))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last string
	die := func(n int, what string) error {
		if n >= k {
			cancel()
			if n == k {
				last = what
			}
			return errDead
		}
		return nil
	}
	f := &publishtest.Faulty{At: die}
	if effect {
		f = &publishtest.Faulty{After: die, At: func(n int, what string) error {
			if n > k {
				return errDead
			}
			return nil
		}}
	}
	if _, _, err := w.faulty(f).publish(ctx, w.input(acme, "two", 1)); err == nil {
		t.Fatalf("death at request %d went unnoticed", k)
	}
	version, serial := w.version(t, acme)
	flipped := effect && last == "replace "+w.target.Layout.Pointer(acme)
	if want := map[bool]string{false: "one", true: "two"}[flipped]; version != want {
		t.Fatalf("after death at request %d (%s): version %s, want %s", k, last, version, want)
	}
	w.mustPublish(t, w.input(acme, "two", 1))
	version, after := w.version(t, acme)
	if version != "two" || after <= 1 || after < serial {
		t.Fatalf("after death at request %d (%s) and another run: version %s, serial %d", k, last, version, after)
	}
	if plan, _ := w.mustPublish(t, w.input(acme, "two", 1)); plan.Changed() {
		t.Fatalf("after death at request %d (%s) two runs were not enough", k, last)
	}
	if w.target.Secrets != nil {
		if n, err := w.target.Secrets.Current(t.Context(), w.target.Layout.Secrets(acme, "router")); err != nil || n != 2 {
			t.Fatalf("after death at request %d (%s): %d versions of the secrets, %v, want 2", k, last, n, err)
		}
	}
}

// Every single request fails once without an answer, before or after it took effect: the run succeeds all the same, and
// writes nothing twice.
func TestUnclearFailureAnywhere(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		count := &publishtest.Faulty{}
		w.faulty(count).mustPublish(t, w.input(acme, "one", 0))
		for k := 1; k <= count.Count(); k++ {
			for _, effect := range []bool{false, true} {
				w := newWorld(t, &mem.Store{}, w.target.Secrets)
				if w.target.Secrets != nil {
					w.target.Secrets = &mem.Secrets{}
				}
				w.opts.Patience.Total = 1500 * time.Millisecond
				once := func(n int, _ string) error {
					if n == k {
						return fmt.Errorf("connection reset: %w", publish.ErrUnavailable)
					}
					return nil
				}
				f := &publishtest.Faulty{At: once}
				if effect {
					f = &publishtest.Faulty{After: once}
				}
				w.faulty(f).mustPublish(t, w.input(acme, "one", 0))
				w.wantVersion(t, acme, "one", 1)
				if w.target.Secrets != nil {
					if n, err := w.target.Secrets.Current(t.Context(), w.target.Layout.Secrets(acme, "router")); err != nil || n != 1 {
						t.Fatalf("failure of request %d: %d versions of the secrets, %v, want 1", k, n, err)
					}
				}
			}
		}
	})
}

// A store that is away, for good, gives one clear error in bounded time, however many units there are.
func TestStoreAway(t *testing.T) {
	for name, c := range map[string]struct {
		fault error
		hang  bool
	}{
		"refused": {fault: fmt.Errorf("connection refused: %w", publish.ErrUnavailable)},
		"hanging": {hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, &hangingStore{hang: c.hang, fault: c.fault}, nil)
			w.opts.Patience = publish.Patience{Request: 200 * time.Millisecond, Total: 500 * time.Millisecond}
			var inputs []bundle.Input
			for i := range 40 {
				inputs = append(inputs, w.input(bundle.Unit{Tenant: fmt.Sprintf("t%d", i), Environment: "production"}, "one", 0))
			}
			start := time.Now()
			_, _, err := w.publish(t.Context(), inputs...)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			if !errors.Is(err, publish.ErrUnavailable) || diag.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, diag.HintOf(err))
			}
		})
	}
}

type hangingStore struct {
	mem.Store
	hang  bool
	fault error
}

func (s *hangingStore) Get(ctx context.Context, _ string) ([]byte, string, error) {
	if s.hang {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return nil, "", s.fault
}

// A refusal is not repeated, and the unit that met it keeps its version while the others are published.
func TestRefusedUnit(t *testing.T) {
	w := newWorld(t, &mem.Store{}, &mem.Secrets{})
	refused := bundle.Unit{Tenant: "globex", Environment: "production"}
	w.mustPublish(t, w.input(acme, "one", 0), w.input(refused, "one", 0))
	tries := 0
	f := &publishtest.Faulty{At: func(_ int, what string) error {
		if what == "replace "+w.target.Layout.Pointer(refused) {
			tries++
			return publish.ErrPermission
		}
		return nil
	}}
	_, result, err := w.faulty(f).publish(t.Context(), w.input(acme, "two", 1), w.input(refused, "two", 1))
	if !errors.Is(err, publish.ErrPermission) || tries != 1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if r := result.Units; r[0].Error != "" || r[0].Serial != 2 || r[1].Error == "" || r[1].Serial != 1 {
		t.Errorf("result %+v", r)
	}
	w.wantVersion(t, acme, "two", 2)
	w.wantVersion(t, refused, "one", 1)
}

func TestTwoPublishers(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) { racePublishers(t, w, w, 20) })
}

// racePublishers lets two publishers publish different versions at once, again and again.
func racePublishers(t *testing.T, one, two *world, rounds int) {
	t.Helper()
	one.mustPublish(t, one.input(acme, "start", 0))
	_, serial := one.version(t, acme)
	for round := range rounds {
		versions := []string{fmt.Sprintf("%d-a", round), fmt.Sprintf("%d-b", round)}
		plans := make([]*publish.Plan, 2)
		for i, w := range []*world{one, two} {
			var err error
			if plans[i], err = publish.NewPlan(t.Context(), []bundle.Input{w.input(acme, versions[i], 0)}, w.target, w.opts); err != nil {
				t.Fatal(err)
			}
		}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range plans {
			wg.Go(func() { _, errs[i] = publish.Apply(t.Context(), plans[i], nil) })
		}
		wg.Wait()
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		conflict, ok := errors.AsType[*publish.ConflictError](errs[1-winner])
		if errs[winner] != nil || !ok || !errors.Is(conflict, publish.ErrConflict) {
			t.Fatalf("round %d: %v", round, errs)
		}
		version, now := one.version(t, acme)
		if version != versions[winner] || now <= serial {
			t.Fatalf("round %d: version %s serial %d after %d, want %s", round, version, now, serial, versions[winner])
		}
		if conflict.Serial != now || conflict.Signer != "alice@example.com" || diag.HintOf(errs[1-winner]) == "" {
			t.Errorf("round %d: the loser is told %v", round, conflict)
		}
		serial = now
	}
}

// Two publishers of the same content both succeed: what they wanted is active.
func TestTwoPublishersAgree(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		w.mustPublish(t, w.input(acme, "one", 0))
		if w.target.Secrets == nil {
			t.Skip("sealing is randomised: their content differs")
		}
		var plans []*publish.Plan
		for range 2 {
			plan, err := publish.NewPlan(t.Context(), []bundle.Input{w.input(acme, "two", 1)}, w.target, w.opts)
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, plan)
		}
		for _, plan := range plans {
			if _, err := publish.Apply(t.Context(), plan, nil); err != nil {
				t.Error(err)
			}
		}
		w.wantVersion(t, acme, "two", 2)
	})
}
