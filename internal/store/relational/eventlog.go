package relational

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// logLine is a line of a log as it is kept.
type logLine struct {
	At     int64  `json:"t"` // nanoseconds
	Stream string `json:"s"`
	Text   string `json:"l"`
}

// eventLog is the row of a log.
type eventLog struct {
	next, received, head, tail, tailFrom, leftOut int64
}

func sizeOf(lines []store.LogLine) (size int64) {
	for _, l := range lines {
		size += int64(len(l.Text)) + store.LogLineCost
	}
	return size
}

func encodeLines(lines []store.LogLine) string {
	kept := make([]logLine, len(lines))
	for i, l := range lines {
		kept[i] = logLine{nanosOrZero(l.At), l.Stream, l.Text}
	}
	return encode(kept)
}

func decodeLines(doc string) ([]store.LogLine, error) {
	var kept []logLine
	if err := decode(doc, &kept); err != nil || len(kept) == 0 {
		return nil, err
	}
	lines := make([]store.LogLine, len(kept))
	for i, l := range kept {
		lines[i] = store.LogLine{At: moment(sql.NullInt64{Int64: l.At, Valid: true}), Stream: l.Stream, Text: l.Text}
	}
	return lines, nil
}

// AppendEventLog implements store.EventLogs.
func (s *Store) AppendEventLog(ctx context.Context, c store.LogChunk) (position int64, err error) {
	whole := encodeLines(c.Lines)
	err = s.write.Do(ctx, func(t Tx) error {
		doc, cut := whole, int64(0)
		position = 0
		l, err := openEventLog(t, c.EventLogKey)
		if err != nil {
			return err
		}
		if l.received >= store.EventLogMost {
			return store.ErrLimit
		}
		// A chunk costs something even when it only tells of lines that are lost.
		l.received += sizeOf(c.Lines) + store.LogLineCost
		lost := max(c.Lost, c.First-l.next)
		if known := l.next - c.First; known >= 0 && l.next > 0 {
			if known >= int64(len(c.Lines)) {
				return l.write(t, c.EventLogKey)
			}
			if known > 0 {
				cut, lost = known, 0
			}
		}
		if cut > 0 {
			doc = encodeLines(c.Lines[cut:])
		}
		first, lines, size := c.First+cut, int64(len(c.Lines))-cut, sizeOf(c.Lines[cut:])
		position, err = insertChunk(t, c.EventLogKey, first, lines, size, max(lost, 0), doc)
		if err != nil {
			return err
		}
		l.next = first + lines
		if err := l.place(t, c.EventLogKey, position, size); err != nil {
			return err
		}
		return l.write(t, c.EventLogKey)
	})
	if err != nil {
		return 0, wrap(err, "append to the log of %s of target %q of deployment %s", c.Event, c.Target, c.DeploymentID)
	}
	return position, nil
}

// openEventLog reads the row of a log, or begins it.
func openEventLog(t Tx, k store.EventLogKey) (l eventLog, err error) {
	err = t.Row(context.Background(), `SELECT next, received, head, tail, tail_from, left_out FROM event_log WHERE deployment_id = ? AND target_id = ? AND attempt = ?`,
		[]any{k.DeploymentID, k.Target, k.Attempt}, &l.next, &l.received, &l.head, &l.tail, &l.tailFrom, &l.leftOut)
	if errors.Is(err, store.ErrNotFound) {
		_, err = t.Exec(`INSERT INTO event_log (deployment_id, target_id, attempt, event, next, received, head, tail, tail_from, left_out) VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0)`,
			k.DeploymentID, k.Target, k.Attempt, string(k.Event))
	}
	return l, err
}

func (l *eventLog) write(t Tx, k store.EventLogKey) error {
	_, err := t.Exec(`UPDATE event_log SET next = ?, received = ?, head = ?, tail = ?, tail_from = ?, left_out = ? WHERE deployment_id = ? AND target_id = ? AND attempt = ?`,
		l.next, l.received, l.head, l.tail, l.tailFrom, l.leftOut, k.DeploymentID, k.Target, k.Attempt)
	return err
}

func insertChunk(t Tx, k store.EventLogKey, first, lines, size, lost int64, doc string) (id int64, err error) {
	err = t.Row(context.Background(), `INSERT INTO event_log_chunk (deployment_id, target_id, attempt, event, first, lines, size, lost, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		[]any{k.DeploymentID, k.Target, k.Attempt, string(k.Event), first, lines, size, lost, doc}, &id)
	return id, err
}

// place counts a new chunk to the beginning or to the end of the log, and removes what the end has too much.
func (l *eventLog) place(t Tx, k store.EventLogKey, id, size int64) error {
	if l.tailFrom == 0 && l.head < store.EventLogHead {
		l.head += size
		return nil
	}
	if l.tailFrom == 0 {
		l.tailFrom = id
	}
	l.tail += size
	for l.tail > store.EventLogTail && l.tailFrom < id {
		var oldSize, oldLines, oldLost int64
		err := t.Row(context.Background(), `SELECT size, lines, lost FROM event_log_chunk WHERE id = ?`, []any{l.tailFrom}, &oldSize, &oldLines, &oldLost)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM event_log_chunk WHERE id = ?`, l.tailFrom); err != nil {
			return err
		}
		l.tail, l.leftOut = l.tail-oldSize, l.leftOut+oldLines+oldLost
		err = t.Row(context.Background(), `SELECT id FROM event_log_chunk WHERE deployment_id = ? AND target_id = ? AND id > ? AND attempt = ? ORDER BY id LIMIT 1`,
			[]any{k.DeploymentID, k.Target, l.tailFrom, k.Attempt}, &l.tailFrom)
		if err != nil {
			return err
		}
	}
	return nil
}

// EventLog implements store.EventLogs.
func (s *Store) EventLog(ctx context.Context, q store.EventLogQuery) ([]store.LogChunk, error) {
	query := `SELECT c.id, c.target_id, c.attempt, c.event, c.first, c.lost, CASE WHEN l.tail_from = c.id THEN l.left_out ELSE 0 END, c.doc
		FROM event_log_chunk c CROSS JOIN event_log l ON l.deployment_id = c.deployment_id AND l.target_id = c.target_id AND l.attempt = c.attempt
		WHERE c.deployment_id = ? AND c.id > ?`
	args := []any{q.DeploymentID, q.After}
	if q.Target != "" {
		query += ` AND c.target_id = ?`
		args = append(args, q.Target)
	}
	if q.Event != "" {
		query += ` AND c.event = ?`
		args = append(args, string(q.Event))
	}
	order := ` ORDER BY c.id LIMIT ?`
	if q.Last {
		order = ` ORDER BY c.id DESC LIMIT ?`
	}
	var out []store.LogChunk
	err := s.read.Each(ctx, query+order, append(args, limit(q.Limit)), func(rows Rows) (bool, error) {
		c := store.LogChunk{EventLogKey: store.EventLogKey{DeploymentID: q.DeploymentID}}
		var event, doc string
		if err := rows.Scan(&c.Position, &c.Target, &c.Attempt, &event, &c.First, &c.Lost, &c.LeftOut, &doc); err != nil {
			return false, err
		}
		c.Event = deploy.EventName(event)
		var err error
		c.Lines, err = decodeLines(doc)
		out = append(out, c)
		return true, err
	})
	if q.Last {
		slices.Reverse(out)
	}
	return out, wrap(err, "read the logs of deployment %s", q.DeploymentID)
}
