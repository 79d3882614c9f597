package main

import (
	"slices"
	"sync"
	"time"
)

// figures gathers the answers of all clients.
type figures struct {
	mutex                sync.Mutex
	began                time.Time
	ok, frames           int
	failures             map[string]int
	firsts, wholes, gaps []time.Duration
}

func newFigures() *figures {
	return &figures{began: time.Now(), failures: map[string]int{}}
}

func (f *figures) add(a answer) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.frames += a.frames
	if a.failure != "" {
		f.failures[a.failure]++
		return
	}
	f.ok++
	f.firsts = append(f.firsts, a.first)
	f.wholes = append(f.wholes, a.whole)
	f.gaps = append(f.gaps, a.gaps...)
}

func (f *figures) summary() map[string]any {
	seconds := time.Since(f.began).Seconds()
	slices.Sort(f.firsts)
	slices.Sort(f.wholes)
	slices.Sort(f.gaps)
	return map[string]any{
		"ok": f.ok, "failures": f.failures, "frames": f.frames, "seconds": seconds,
		"first_p50": quantile(f.firsts, .5), "first_p99": quantile(f.firsts, .99),
		"whole_p50": quantile(f.wholes, .5), "whole_p99": quantile(f.wholes, .99),
		"gap_p50": quantile(f.gaps, .5), "gap_p99": quantile(f.gaps, .99),
	}
}

// quantile is in milliseconds; values must be sorted. Without values it is 0.
func quantile(values []time.Duration, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return float64(values[int(q*float64(len(values)-1))].Microseconds()) / 1000
}
