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
