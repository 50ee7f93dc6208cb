package bench

import (
	"os"
	"time"
)

// usage is what a process uses.
type usage struct {
	at          time.Time
	resident    int64 // bytes
	peak        int64 // bytes, the most that was resident
	share       int64 // bytes, the proportional set size; 0 when the system does not tell
	processor   time.Duration
	threads     int
	connections int // open sockets
}

// mebi is a MiB.
const mebi = 1 << 20

// looks is a look at both sides: what is measured, and the load that shares the machine with it.
type looks struct {
	server, load *usage // nil: it can't be looked at
}

// look reads what the server's process and this one use now.
func look(at *Installation) looks {
	var l looks
	if at.Process != nil {
		l.server = read(at.Process.ID())
	}
	l.load = read(os.Getpid())
	return l
}

// read is readUsage where there is something to read. A report without these figures is better than none.
func read(pid int) *usage {
	u, err := readUsage(pid)
	if err != nil {
		return nil
	}
	return u
}

// addUsage adds what was used between two looks.
func (r *Report) addUsage(begin, end looks) {
	if begin.server != nil && end.server != nil {
		r.add("server: resident memory", float64(end.server.resident)/mebi, "MiB")
		r.add("server: most resident memory", float64(end.server.peak)/mebi, "MiB")
		if end.server.share > 0 {
			r.add("server: proportional memory", float64(end.server.share)/mebi, "MiB")
		}
		r.addProcessor("server", begin.server, end.server)
		r.add("server: open connections", float64(end.server.connections), "")
		r.add("server: threads", float64(end.server.threads), "")
	}
	if begin.load != nil && end.load != nil {
		r.addProcessor("load", begin.load, end.load)
	}
}

func (r *Report) addProcessor(who string, begin, end *usage) {
	used, over := end.processor-begin.processor, end.at.Sub(begin.at)
	r.add(who+": processor time", used.Seconds(), "s")
	if over > 0 {
		r.add(who+": share of one core", 100*used.Seconds()/over.Seconds(), "%")
	}
}
