package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// command is a program to time.
type command struct {
	dir  string
	env  []string
	argv []string
}

// sample is one run of a program.
type sample struct {
	wall time.Duration
	rss  int64 // peak resident set, bytes
}

// run times one run of c, from fork to exit. Its output is dropped, as a pipe would time the reader too.
func run(ctx context.Context, c command) (sample, error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("run %s: %w\n%s", strings.Join(c.argv, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return sample{wall: wall, rss: peakRSS(cmd.ProcessState)}, nil
}

// output runs c and gives what it wrote to stdout.
func output(ctx context.Context, c command) (string, error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", strings.Join(c.argv, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

// contender is one of several programs that are timed against each other.
type contender struct {
	name string
	// next gives the i-th run, after having made whatever it needs. Only the run itself is timed.
	next func(ctx context.Context, i int) (command, error)
}

// series are the runs of one contender.
type series struct {
	name    string
	samples []sample
}

// compete runs the contenders in turns, so that whatever else the machine does slows all of them alike. The first turn
// fills caches and does not count.
func compete(ctx context.Context, turns int, contenders ...contender) ([]series, error) {
	out := make([]series, len(contenders))
	for turn := range turns + 1 {
		for i, c := range contenders {
			out[i].name = c.name
			cmd, err := c.next(ctx, turn)
			if err != nil {
				return nil, fmt.Errorf("prepare %s: %w", c.name, err)
			}
			s, err := run(ctx, cmd)
			if err != nil {
				return nil, err
			}
			if turn > 0 {
				out[i].samples = append(out[i].samples, s)
			}
		}
	}
	return out, nil
}

func (s series) walls() []time.Duration {
	walls := make([]time.Duration, len(s.samples))
	for i, v := range s.samples {
		walls[i] = v.wall
	}
	slices.Sort(walls)
	return walls
}

// min gives the fastest run: what the program takes when nothing disturbs it.
func (s series) min() time.Duration { return s.walls()[0] }

// median gives the middle run; of an even number, the slower of the two in the middle.
func (s series) median() time.Duration {
	walls := s.walls()
	return walls[len(walls)/2]
}

// peak gives the largest resident set of any run, in bytes.
func (s series) peak() int64 {
	var most int64
	for _, v := range s.samples {
		most = max(most, v.rss)
	}
	return most
}
