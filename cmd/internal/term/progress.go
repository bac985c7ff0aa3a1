package term

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far long work is. All methods are safe for concurrent use.
type Progress struct{ bar *progressbar.ProgressBar }

// progressDelay keeps the bar away from work that is over before anyone wonders.
const progressDelay = 400 * time.Millisecond

// Progress starts a bar on Err for total steps. Without a terminal, or when quiet, it shows nothing.
func (t *IO) Progress(what string, total int) *Progress {
	if t.quiet || !isTerminal(t.errFile) || total < 2 {
		return &Progress{}
	}
	start := time.Now()
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(delayed{t, start}),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(80*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true),
	)
	return &Progress{bar}
}

// delayed drops what is written before the work has taken long enough to be worth a bar.
type delayed struct {
	t     *IO
	start time.Time
}

func (d delayed) Write(p []byte) (int, error) {
	if time.Since(d.start) < progressDelay {
		return len(p), nil
	}
	return d.t.Err.Write(p)
}

// Step counts one step as done.
func (p *Progress) Step() {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// Stages shows how far work is that tells of its stages one after another, as they begin. Step may be called concurrently.
type Stages struct {
	t   *IO
	bar *Progress
}

// Stages starts with no bar: the first stage brings it.
func (t *IO) Stages() *Stages { return &Stages{t, &Progress{}} }

// Start puts the bar of a stage in the place of the one before.
func (s *Stages) Start(what string, total int) {
	s.bar.Done()
	s.bar = s.t.Progress(what, total)
}

// Of gives what starts one stage when its number of steps is known.
func (s *Stages) Of(what string) func(total int) { return func(total int) { s.Start(what, total) } }

// Step counts one step of the stage as done.
func (s *Stages) Step() { s.bar.Step() }

// Done takes the last bar away.
func (s *Stages) Done() { s.bar.Done() }
