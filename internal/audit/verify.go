package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Report is what Verify found of one file.
type Report struct {
	Lines int
	// Previous is the chain value at which the file before is to end; empty: it is the first. Chain is that of the last line.
	Previous, Chain string
	Problems        []string // one sentence each, with the line; empty: every line is as it was written
}

// maxProblems bounds what is told of one file.
const maxProblems = 20

// Verify reads a file of the log and checks each line against the one before it. verified, unless nil, is told the chain value of each line that is as
// it was written; a value that only stands in a file vouches for nothing. The error is about reading.
func Verify(r io.Reader, verified func(chain string)) (Report, error) {
	var report Report
	problem := func(format string, args ...any) {
		if len(report.Problems) < maxProblems {
			report.Problems = append(report.Problems, fmt.Sprintf(format, args...))
		}
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if line, err = whole(lines, line); err == nil && len(line) > maxLine {
				problem("line %d is longer than any that is written", report.Lines+1)
			}
		}
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				report.Lines++
				problem("line %d is not whole: the file was cut, or a crash came in the middle of it", report.Lines)
			}
			if report.Lines == 0 {
				problem("the file is empty")
			}
			return report, nil
		}
		if err != nil {
			return report, fmt.Errorf("read the audit log: %w", err)
		}
		report.Lines++
		body, chain, ok := open(line[:len(line)-1])
		if !ok {
			problem("line %d is none of an audit log", report.Lines)
			continue
		}
		if report.Lines == 1 {
			var o opening
			if err := json.Unmarshal(body, &o); err != nil || o.Opened == "" {
				problem("line 1 does not begin a file: lines before it were cut away")
				report.Chain = chain
				continue
			}
			report.Previous, report.Chain = o.Previous, o.Previous
		}
		switch {
		case next(report.Chain, body) != chain:
			problem("line %d was changed, or lines before it were cut away or put in", report.Lines)
		case verified != nil && len(report.Problems) == 0:
			verified(chain)
		}
		report.Chain = chain
	}
}

// whole reads the rest of a line that is longer than the buffer.
func whole(lines *bufio.Reader, begin []byte) ([]byte, error) {
	line := append([]byte(nil), begin...)
	for {
		more, err := lines.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, more...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// Read calls each for the entries of a file, in order. A line that is none is passed over: Verify tells of it.
func Read(r io.Reader, each func(Entry) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		body, _, ok := open(lines.Bytes())
		if !ok {
			continue
		}
		var e Entry
		if err := json.Unmarshal(body, &e); err != nil || e.Operation == "" {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	return nil
}
