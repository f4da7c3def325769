package runtime

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// longestLog is how much of an invocation's log is kept, the end of it.
const longestLog = 64 << 10

// log is the pipe that a function writes its output to. What the function wrote before it answered must be in the
// log of that invocation, so take writes a mark into the same pipe and waits for it to come out: a pipe keeps order.
type log struct {
	in, out *os.File
	mark    []byte
	marks   chan struct{}
	done    chan struct{}

	mu   sync.Mutex
	kept []byte
	once sync.Once
}

func openLog(to io.Writer) (*log, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making the function's log: %w", err)
	}
	l := &log{in: in, out: out, mark: []byte("\x00" + randomHex(16) + "\n"), marks: make(chan struct{}, 1), done: make(chan struct{})}
	go l.read(to)
	return l, nil
}

// read passes on what comes until the pipe is closed.
func (l *log) read(to io.Writer) {
	defer close(l.done)
	var held []byte // may be the beginning of a mark
	chunk := make([]byte, 32<<10)
	for {
		n, err := l.out.Read(chunk)
		held = append(held, chunk[:n]...)
		for {
			at := bytes.Index(held, l.mark)
			if at < 0 {
				break
			}
			l.keep(to, held[:at])
			held = held[at+len(l.mark):]
			l.marks <- struct{}{}
		}
		whole := len(held) - l.beginning(held)
		if err != nil {
			whole = len(held)
		}
		l.keep(to, held[:whole])
		held = append([]byte(nil), held[whole:]...)
		if err != nil {
			return
		}
	}
}

// beginning is how many bytes at the end of text may be the beginning of a mark.
func (l *log) beginning(text []byte) int {
	for n := min(len(text), len(l.mark)-1); n > 0; n-- {
		if bytes.HasSuffix(text, l.mark[:n]) {
			return n
		}
	}
	return 0
}

func (l *log) keep(to io.Writer, text []byte) {
	if len(text) == 0 {
		return
	}
	_, _ = to.Write(text) // a log that cannot be written must not stop the function
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, text...)
	if over := len(l.kept) - longestLog; over > 0 {
		l.kept = append([]byte(nil), l.kept[over:]...)
	}
}

// take gives everything that was written so far, and forgets it.
func (l *log) take() string {
	if _, err := l.in.Write(l.mark); err == nil {
		select {
		case <-l.marks:
		case <-l.done:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := string(l.kept)
	l.kept = nil
	return text
}

// close ends the log once everything in it has been read. A grandchild that still holds the pipe open keeps the
// reader from its end, so the reader's side is closed too. It may be called again.
func (l *log) close() {
	l.once.Do(func() {
		if _, err := l.in.Write(l.mark); err == nil {
			select {
			case <-l.marks:
			case <-l.done:
			}
		}
		_ = l.in.Close()
		_ = l.out.Close()
		<-l.done
	})
}
