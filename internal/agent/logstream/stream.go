package logstream

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Verdict is what came of sending a payload.
type Verdict int

// The verdicts.
const (
	Taken    Verdict = iota // by the server
	Again                   // it may be taken later
	Unwanted                // nothing more of this command is wanted
	Unknown                 // the server does not have this extension
)

// Send sends a payload of a command. The error is why the verdict is not Taken; nil with Unwanted.
type Send func(ctx context.Context, command, payload string) (Verdict, error)

// Streams makes streams until the server turns out not to want any. A nil one makes none.
type Streams struct {
	send Send
	log  *slog.Logger
	now  func() time.Time

	mu  sync.Mutex
	off bool
}

// New returns streams that send by the given function.
func New(send Send, log *slog.Logger, now func() time.Time) *Streams {
	return &Streams{send: send, log: log, now: now}
}

// Begin begins the stream of a command; it costs nothing until there is a line. Nil: the server does not want any.
func (s *Streams) Begin(command string) *Stream {
	if s == nil || s.isOff() {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Stream{streams: s, command: command, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
}

func (s *Streams) isOff() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off
}

func (s *Streams) turnOff(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		s.off = true
		s.log.Debug("the server takes no output of running scripts, so none is sent from now on", "reason", reason)
	}
}

// Stream is what one command has to say. The methods of a nil one do nothing.
type Stream struct {
	streams *Streams
	command string
	ctx     context.Context // of the calls; it ends when Close has waited long enough
	cancel  context.CancelFunc
	wake    chan struct{} // has a token when there is something new to look at
	closing chan struct{}
	done    chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	buffer  buffer
	started bool
	ended   bool // nothing is wanted any more
}

// Line takes a line of output. It does not wait for anything.
func (s *Stream) Line(stream, text string) { s.LineAt(time.Time{}, stream, text) }

// LineAt takes a line that was written at a time that is over; zero means now.
func (s *Stream) LineAt(at time.Time, stream, text string) { s.add(at, stream, text, true) }

// Note takes a line of the agent's own that is worth knowing while the command runs, and not worth a call once it has ended with nothing else
// to say.
func (s *Stream) Note(text string) { s.add(time.Time{}, "agent", text, false) }

func (s *Stream) add(at time.Time, stream, text string, worth bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if at.IsZero() {
		at = s.streams.now()
	}
	s.buffer.add(at, stream, text)
	s.buffer.worth = s.buffer.worth || worth
	if !s.started {
		s.started = true
		go s.run()
	}
	if len(s.buffer.lines) == 1 || s.buffer.full() {
		s.wakeUp()
	}
}

// Close sends what is left, for two seconds at most. Later lines are dropped.
func (s *Stream) Close() {
	if s == nil {
		return
	}
	defer s.cancel()
	s.mu.Lock()
	started := s.started
	s.started = true // no goroutine begins after this
	if !started {
		s.ended = true
	}
	s.mu.Unlock()
	if !started {
		return
	}
	close(s.closing)
	enough := time.AfterFunc(flushTime, s.cancel)
	defer enough.Stop()
	<-s.done
}

// run sends until Close has been called and nothing is left, or nothing is wanted.
func (s *Stream) run() {
	defer close(s.done)
	defer s.end()
	for delay := firstDelay; s.wait(delay); delay = batchDelay {
		for payload := s.next(); payload != ""; payload = s.another() {
			if !s.deliver(payload) {
				return
			}
		}
	}
}

// wait waits for lines, and then for company for them. False: there are none, and none come.
func (s *Stream) wait(delay time.Duration) bool {
	select {
	case <-s.wake:
	case <-s.closing:
		return s.isWorth()
	}
	company := time.NewTimer(delay)
	defer company.Stop()
	for !s.isFull() {
		select {
		case <-s.wake:
		case <-company.C:
			return true
		case <-s.closing:
			return s.isWorth()
		}
	}
	return true
}

func (s *Stream) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffer.full()
}

// isWorth tells whether something is left that is to be sent in the end.
func (s *Stream) isWorth() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffer.worth
}

func (s *Stream) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buffer.take()
}

// another is the next payload if it is not to wait for company.
func (s *Stream) another() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buffer.full() || s.buffer.worth && s.isClosing() {
		return s.buffer.take()
	}
	if len(s.buffer.lines) > 0 {
		s.wakeUp()
	}
	return ""
}

func (s *Stream) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Stream) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// deliver sends one payload until it is taken. False: nothing more is to be sent.
func (s *Stream) deliver(payload string) bool {
	for pause := firstPause; ; pause = min(lastPause, 2*pause) {
		verdict, err := s.streams.send(s.ctx, s.command, payload)
		switch {
		case verdict == Taken:
			return true
		case s.ctx.Err() != nil:
			return false
		case verdict == Unwanted:
			return false
		case verdict == Unknown:
			s.streams.turnOff(err)
			return false
		}
		if !s.rest(pause) {
			return false
		}
	}
}

// rest pauses before a payload is sent again. There is little time left for that when the command ends. False: there is none.
func (s *Stream) rest(pause time.Duration) bool {
	closing := s.closing
	if s.isClosing() {
		closing, pause = nil, min(pause, flushTime/4)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-closing:
	case <-s.ctx.Done():
	}
	return s.ctx.Err() == nil
}

// end drops what is left and what comes.
func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.buffer = true, buffer{}
}
