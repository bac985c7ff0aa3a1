package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// comparison is one line of the report: two series and what their ratio is asked to be.
type comparison struct {
	what         string
	ours         series
	theirs       series
	scale        float64 // their time counts this often, for a sample that stands for more; 0 is 1
	limit        float64 // the most that ours/theirs may be
	limitText    string
	extrapolated bool
}

// ratio gives ours over theirs, of the fastest runs and of the medians.
func (c comparison) ratio() (ofMin, ofMedian float64) {
	fastest, median := c.against()
	return c.ours.min().Seconds() / fastest.Seconds(), c.ours.median().Seconds() / median.Seconds()
}

// against gives the fastest and the median run of the other side, scaled.
func (c comparison) against() (fastest, median time.Duration) {
	fastest, median = c.theirs.min(), c.theirs.median()
	if c.scale > 0 {
		fastest, median = time.Duration(float64(fastest)*c.scale), time.Duration(float64(median)*c.scale)
	}
	return fastest, median
}

// met reports whether the fastest runs keep the limit. The fastest, because everything else that a machine does can only
// add to them.
func (c comparison) met() bool {
	r, _ := c.ratio()
	return r <= c.limit
}

// report is the page as it is written.
type report struct {
	machine     []fact
	comparisons []comparison
	memory      []memory
	notes       []string
}

type fact struct{ name, value string }

// memory is the peak resident set of a program, and the most that is asked of it, in bytes.
type memory struct {
	what       string
	used, most int64
}

func (m memory) met() bool { return m.used > 0 && m.used < m.most }

// met reports whether every limit is kept.
func (r report) met() bool {
	for _, c := range r.comparisons {
		if !c.met() {
			return false
		}
	}
	for _, m := range r.memory {
		if !m.met() {
			return false
		}
	}
	return true
}

// write writes the report as Markdown.
func (r report) write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench BENCHFLAGS='-o docs/benchmarks.md'`, which anyone can run: it generates the\n" +
		"repositories, builds the peers from their pinned versions and runs all contenders of a line in turns, in one go. Times are\n" +
		"wall times of whole processes, from start to exit. Trust the ratios; the times are this machine's.\n\n")
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range r.machine {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, f.value)
	}
	b.WriteString("\n## Time\n\nFastest / median run. The ratio is the first column over the second; the limit is for the fastest runs.\n\n")
	b.WriteString("| | lcm | against | | ratio | limit | kept |\n|---|---:|---|---:|---:|---|---|\n")
	for _, c := range r.comparisons {
		ofMin, ofMedian := c.ratio()
		fastest, median := c.against()
		about := ""
		if c.extrapolated {
			about = "≈ "
		}
		fmt.Fprintf(&b, "| %s | %s / %s | %s | %s%s / %s | %.3g / %.3g | %s | %s |\n", c.what,
			duration(c.ours.min()), duration(c.ours.median()), c.theirs.name, about,
			duration(fastest), duration(median),
			ofMin, ofMedian, c.limitText, kept(c.met()))
	}
	b.WriteString("\n## Memory\n\n| | peak resident set | limit | kept |\n|---|---:|---:|---|\n")
	for _, m := range r.memory {
		fmt.Fprintf(&b, "| %s | %d MB | %d MB | %s |\n", m.what, m.used/1e6, m.most/1e6, kept(m.met()))
	}
	b.WriteString("\n## How it is measured\n\n")
	for _, n := range r.notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// duration prints three significant digits in the unit a reader expects.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", d.Seconds()*1000)
	case d < 10*time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.3g min", d.Minutes())
}

func kept(ok bool) string {
	if ok {
		return "yes"
	}
	return "**no**"
}
