package bench

import "time"

// usage is what a process uses.
type usage struct {
	at          time.Time
	resident    int64 // bytes
	peak        int64 // bytes, the most that was resident
	share       int64 // bytes, the proportional set size; 0 when the system does not tell
	processor   time.Duration
	files       int // open descriptors
	threads     int
	connections int // open sockets
}

const mebi = 1 << 20

// addUsage adds what a process used between two looks. Without a process there is nothing to add.
func (r *Report) addUsage(begin, end *usage) {
	if begin == nil || end == nil {
		return
	}
	over := end.at.Sub(begin.at)
	r.add("server: resident memory", float64(end.resident)/mebi, "MiB")
	r.add("server: most resident memory", float64(end.peak)/mebi, "MiB")
	if end.share > 0 {
		r.add("server: proportional memory", float64(end.share)/mebi, "MiB")
	}
	r.add("server: processor time", (end.processor - begin.processor).Seconds(), "s")
	if over > 0 {
		r.add("server: share of one core", 100*(end.processor-begin.processor).Seconds()/over.Seconds(), "%")
	}
	r.add("server: open connections", float64(end.connections), "")
	r.add("server: threads", float64(end.threads), "")
}

// look reads what the server's process uses now; nil when there is none to look at.
func look(at *Installation) *usage {
	if at.Process == nil {
		return nil
	}
	u, err := readUsage(at.Process.ID())
	if err != nil {
		return nil
	}
	return u
}
