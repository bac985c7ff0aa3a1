package cuelayer

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// limits are what an evaluation may take.
type limits struct {
	time   time.Duration
	memory uint64
}

// watchEvery is how often what an evaluation takes is looked at.
const watchEvery = 10 * time.Millisecond

var (
	errBroke = errors.New("CUE gave up on the layer")
	errBusy  = errors.New("another CUE layer is still being evaluated, beyond what is allowed")
)

// job is work that CUE was handed.
type job struct {
	left atomic.Bool // nobody waits for it any more, though it goes on
}

// run hands work to CUE, which may compute without end and has no way to be stopped: when a limit is reached the work is
// left behind, and as long as it lasts nothing else is evaluated, so that there is never more than one such.
func (e *Evaluator) run(ctx context.Context, work func()) error {
	if err := e.acquire(ctx); err != nil {
		return err
	}
	j := new(job)
	e.current.Store(j)
	done := make(chan error, 1)
	go func() {
		defer func() {
			<-e.slot
			if recover() != nil { // a fault of CUE's: what it says may hold values
				done <- errBroke
				return
			}
			done <- nil
		}()
		work()
	}()
	ended, err := e.watch(ctx, done)
	j.left.Store(!ended)
	return err
}

// acquire waits its turn, however many others are before it. What one of them left behind is given as long as it was given
// in the first place.
func (e *Evaluator) acquire(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	moved := time.Now()
	for {
		select {
		case e.slot <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if j := e.current.Load(); j == nil || !j.left.Load() {
				moved = time.Now()
			} else if time.Since(moved) > e.limits.time {
				return errBusy
			}
		}
	}
}

// watch waits for work to end, or for a limit to be reached.
func (e *Evaluator) watch(ctx context.Context, done <-chan error) (ended bool, err error) {
	timer := time.NewTimer(e.limits.time)
	defer timer.Stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	before := memory()
	for {
		select {
		case err := <-done:
			return true, err
		case <-ctx.Done():
			return false, ctx.Err()
		case <-timer.C:
			return false, fmt.Errorf("the layer is not evaluated within %s", e.limits.time)
		case <-tick.C:
			if now := memory(); now > before && now-before > e.limits.memory {
				return false, fmt.Errorf("the layer takes more than %d MB of memory to evaluate", e.limits.memory>>20)
			}
		}
	}
}

// memory gives the bytes that the process holds on to: what the last collection found alive, and the stacks.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	sum := uint64(0)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
