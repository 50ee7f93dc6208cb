package bench

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"text/tabwriter"
	"time"
)

// Report is what a run measured.
type Report struct {
	Scenario string  `json:"scenario"`
	Size     string  `json:"size"` // in words
	Machine  Machine `json:"machine"`
	// Figures and Latencies are in the order in which they are to be read.
	Figures   []Figure  `json:"figures"`
	Latencies []Latency `json:"latencies"`
	// Growth has the steps of the scenario growth, the smallest first; else it is empty.
	Growth []Step `json:"growth,omitempty"`
}

// Machine is what it was measured on.
type Machine struct {
	CPUs    int    `json:"cpus"`
	System  string `json:"system"`
	Runtime string `json:"runtime"`
}

// Figure is one number.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Milliseconds is a time as it is reported.
type Milliseconds float64

// Latency is how long one kind of thing took, those that succeeded.
type Latency struct {
	Name      string       `json:"name"`
	Count     int          `json:"count"`
	Failed    int          `json:"failed"`
	Failure   string       `json:"failure,omitempty"` // the first one's reason
	PerSecond float64      `json:"perSecond,omitempty"`
	P50       Milliseconds `json:"p50Milliseconds"`
	P90       Milliseconds `json:"p90Milliseconds"`
	P99       Milliseconds `json:"p99Milliseconds"`
	Max       Milliseconds `json:"maxMilliseconds"`
}

// Step is one size of the scenario growth.
type Step struct {
	Factor int     `json:"factor"`
	Items  int     `json:"items"`
	PerOne []Cost  `json:"perItem"`
	Report *Report `json:"report"`
}

// Cost is what one item cost, beside what it cost in the smallest step.
type Cost struct {
	Figure
	Ratio float64 `json:"ratio"` // 0: the smallest step's is nothing
}

func machine() Machine {
	return Machine{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Runtime: runtime.Version()}
}

func newReport(scenario, size string, args ...any) *Report {
	return &Report{Scenario: scenario, Size: fmt.Sprintf(size, args...), Machine: machine(), Figures: []Figure{}, Latencies: []Latency{}}
}

func (r *Report) add(name string, value float64, unit string) {
	r.Figures = append(r.Figures, Figure{name, round(value), unit})
}

func (r *Report) addTime(name string, d time.Duration) { r.add(name, d.Seconds(), "s") }

func (r *Report) addMeters(over time.Duration, meters ...*meter) {
	for _, m := range meters {
		r.Latencies = append(r.Latencies, m.latency(over))
	}
}

// figure finds a figure; ok is false when there is none.
func (r *Report) figure(name string) (f Figure, ok bool) {
	for _, f := range r.Figures {
		if f.Name == name {
			return f, true
		}
	}
	return Figure{}, false
}

// round keeps four significant digits: more are noise.
func round(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func milliseconds(d time.Duration) Milliseconds {
	return Milliseconds(round(float64(d) / float64(time.Millisecond)))
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "%s: %s (%d CPUs, %s, %s)\n", r.Scenario, r.Size, r.Machine.CPUs, r.Machine.System, r.Machine.Runtime)
	for _, f := range r.Figures {
		fmt.Fprintf(out, "  %s\t%s\n", f.Name, f.text())
	}
	if len(r.Latencies) > 0 {
		fmt.Fprint(out, "\n  \tcount\t/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\tfailed\n")
	}
	for _, l := range r.Latencies {
		fmt.Fprintf(out, "  %s\t%d\t%v\t%v\t%v\t%v\t%v\t%d\n", l.Name, l.Count, l.PerSecond, l.P50, l.P90, l.P99, l.Max, l.Failed)
		if l.Failure != "" {
			fmt.Fprintf(out, "    the first that failed: %s\n", l.Failure)
		}
	}
	r.writeGrowth(out)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// writeGrowth writes a row for each figure and a column for each step.
func (r *Report) writeGrowth(out io.Writer) {
	if len(r.Growth) == 0 {
		return
	}
	fmt.Fprint(out, "\n  per item")
	for _, s := range r.Growth {
		fmt.Fprintf(out, "\t%dx (%d)", s.Factor, s.Items)
	}
	fmt.Fprintln(out)
	for i, cost := range r.Growth[0].PerOne {
		fmt.Fprintf(out, "  %s", cost.Name)
		for _, s := range r.Growth {
			fmt.Fprintf(out, "\t%s (%v)", s.PerOne[i].text(), s.PerOne[i].Ratio)
		}
		fmt.Fprintln(out)
	}
}

func (f Figure) text() string { return fmt.Sprintf("%v %s", f.Value, f.Unit) }
