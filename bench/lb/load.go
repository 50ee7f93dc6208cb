package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// load sends the request over and over on so many connections and returns the rate and every answer's delay. It is as thin as it can be: what it
// burns is not there for the balancer.
func load(ctx context.Context, address string, request []byte, connections int, d time.Duration) (float64, []time.Duration, error) {
	var (
		mu     sync.Mutex
		all    []time.Duration
		failed error
		wg     sync.WaitGroup
	)
	begin := time.Now()
	end := begin.Add(d)
	for range connections {
		wg.Go(func() {
			delays, err := loadOne(ctx, address, request, end)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, delays...)
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return float64(len(all)) / time.Since(begin).Seconds(), all, failed
}

func loadOne(ctx context.Context, address string, request []byte, end time.Time) ([]time.Duration, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(c, 8<<10)
	delays := make([]time.Duration, 0, 1<<16)
	for before := time.Now(); before.Before(end) && ctx.Err() == nil; {
		if _, err := c.Write(request); err != nil {
			return nil, fmt.Errorf("send: %w", errors.Join(err, c.Close()))
		}
		if err := readAnswer(r); err != nil {
			return nil, fmt.Errorf("receive: %w", errors.Join(err, c.Close()))
		}
		now := time.Now()
		delays = append(delays, now.Sub(before))
		before = now
	}
	return delays, c.Close()
}

// readAnswer reads one 200 answer with a Content-Length.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first {
			if len(line) < 12 || string(line[9:12]) != "200" {
				return fmt.Errorf("answer %q", line)
			}
			continue
		}
		if len(line) == 2 {
			break
		}
		if len(line) > 16 && (line[0] == 'C' || line[0] == 'c') && strings.EqualFold(string(line[:15]), "content-length:") {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[15:]))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answer without Content-Length")
	}
	_, err := r.Discard(length)
	return err
}

// awaitAnswer waits until the balancer and what is behind it answer.
func awaitAnswer(address string, request []byte) error {
	var err error
	for range 100 {
		var c net.Conn
		if c, err = net.Dial("tcp", address); err == nil {
			if _, err = c.Write(request); err == nil {
				err = readAnswer(bufio.NewReader(c))
			}
			if err = errors.Join(err, c.Close()); err == nil {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("no answer from %s within 5 s: %w", address, err)
}

// application answers every request with so many bytes.
func application(ctx context.Context, address string, size int) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	answer := []byte("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n" +
		strings.Repeat("a", size))
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := answerAll(c, answer); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				fmt.Println("application:", err)
			}
		}()
	}
}

func answerAll(c net.Conn, answer []byte) error {
	r := bufio.NewReaderSize(c, 8<<10)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return errors.Join(err, c.Close())
			}
			if len(line) == 2 {
				break
			}
			if len(line) > 16 && (line[0] == 'C' || line[0] == 'c') && strings.EqualFold(string(line[:15]), "content-length:") {
				if length, err = strconv.Atoi(strings.TrimSpace(string(line[15:]))); err != nil {
					return err
				}
			}
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
		if _, err := c.Write(answer); err != nil {
			return err
		}
	}
}
