package chrome

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// link carries the messages of a wire. Close wakes whoever reads or writes.
type link interface {
	// read returns the next message, which is the caller's until the next read. Of one that is longer
	// than bound says it keeps the ends only, and the error is an *oversized.
	read(bound bound) ([]byte, error)
	write(messages []*cdproto.Message) error
	// heard is when bytes came last, whether or not they were the end of a message.
	heard() time.Time
	Close() error
}

// epoch is what arrivals count from, so that they do not depend on the wall clock.
var epoch = time.Now()

// arrivals notes when bytes come.
type arrivals struct{ last atomic.Int64 } // the time since epoch; 0: none have

func (a *arrivals) heard() time.Time {
	if last := a.last.Load(); last != 0 {
		return epoch.Add(time.Duration(last))
	}
	return time.Time{}
}

func (a *arrivals) note() { a.last.Store(int64(time.Since(epoch))) }

// of returns a reader of what r reads.
func (a *arrivals) of(r io.Reader) io.Reader { return arrivalsOf{r, a} }

type arrivalsOf struct {
	io.Reader
	*arrivals
}

func (r arrivalsOf) Read(into []byte) (int, error) {
	n, err := r.Reader.Read(into)
	if n > 0 {
		r.note()
	}
	return n, err
}

// bound says how long a message may be. most is the shortest bound of all, and of says which one a
// message has that is longer. Its beginning tells.
type bound struct {
	most int64
	of   func(begin []byte) int64
}

// passed reports whether a message of which size bytes have come is too long. It begins with first,
// or with second where there is no first.
func (b bound) passed(size int, first, second []byte) bool {
	if int64(size) <= b.most {
		return false
	}
	if len(first) == 0 {
		first = second
	}
	return int64(size) > b.of(first)
}

// endBytes is what is kept of the beginning and of the end of a message that is too long.
const endBytes = 512

// oversized is a message that is too long. It is the error of a read.
type oversized struct {
	size        int64
	begin, last []byte
}

func newOversized(parts ...[]byte) *oversized {
	o := new(oversized)
	for _, part := range parts {
		o.add(part)
	}
	return o
}

func (o *oversized) add(text []byte) {
	o.size += int64(len(text))
	if room := endBytes - len(o.begin); room > 0 {
		o.begin = append(o.begin, text[:min(room, len(text))]...)
	}
	o.last = append(o.last, text[max(0, len(text)-endBytes):]...)
	o.last = append(o.last[:0], o.last[max(0, len(o.last)-endBytes):]...)
}

// end takes the last bytes off, which are no part of the message.
func (o *oversized) end(n int) {
	o.size -= int64(n)
	o.last = o.last[:len(o.last)-n]
}

func (o *oversized) Write(text []byte) (int, error) {
	o.add(text)
	return len(text), nil
}

func (o *oversized) Error() string { return fmt.Sprintf("a message has %d bytes", o.size) }

// pipe is the link to a browser of our own: no port, and the browser ends when we do.
type pipe struct {
	arrivals
	in    *bufio.Reader
	out   *bufio.Writer
	long  []byte // a message that is longer than the buffer
	close func() error
}

func newPipe(in io.ReadCloser, out io.WriteCloser) *pipe {
	p := &pipe{
		out:   bufio.NewWriter(out),
		close: sync.OnceValue(func() error { return errors.Join(in.Close(), out.Close()) }),
	}
	p.in = bufio.NewReaderSize(p.of(in), 256<<10)
	return p
}

func (p *pipe) read(bound bound) ([]byte, error) {
	p.long = nil
	var large *oversized
	for {
		text, err := p.in.ReadSlice(0)
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
		size := len(p.long) + len(text)
		if err == nil {
			size-- // a zero ends each message
		}
		if large == nil && bound.passed(size, p.long, text) {
			large = newOversized(p.long, text)
			p.long = nil
		} else if large != nil {
			large.add(text)
		}
		switch {
		case err != nil && large == nil:
			p.long = append(p.long, text...)
		case err != nil:
		case large != nil:
			large.end(1)
			return nil, large
		case p.long == nil:
			return text[:len(text)-1], nil
		default:
			p.long = append(p.long, text...)
			return p.long[:len(p.long)-1], nil
		}
	}
}

// write sends messages together where they have room in one buffer, so that the browser wakes once.
func (p *pipe) write(messages []*cdproto.Message) error {
	for _, msg := range messages {
		text, err := jsonv2.Marshal(msg, chromedp.DefaultMarshalOptions)
		if err != nil {
			return err
		}
		if _, err := p.out.Write(append(text, 0)); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

func (p *pipe) Close() error { return p.close() }

// socket is the link to somebody else's browser.
type socket struct {
	arrivals
	conn  *websocket.Conn
	close func() error
}

// newSocket takes over a connection.
func newSocket(conn *websocket.Conn) *socket {
	conn.SetReadLimit(-1) // a screenshot has no limit either
	return &socket{conn: conn, close: sync.OnceValue(conn.CloseNow)}
}

func (s *socket) read(bound bound) ([]byte, error) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err == nil && kind != websocket.MessageText {
		err = errors.New("chrome: the browser sent a message that is no text")
	}
	if err != nil {
		return nil, err
	}
	reader = s.of(reader)
	var text bytes.Buffer
	_, err = io.CopyN(&text, reader, bound.most+1)
	for err == nil && !bound.passed(text.Len(), text.Bytes(), nil) {
		_, err = io.CopyN(&text, reader, max(bound.most, 1<<20))
	}
	if err == io.EOF {
		return text.Bytes(), nil
	}
	if err != nil {
		return nil, err
	}
	large := newOversized(text.Bytes(), nil)
	if _, err := io.Copy(large, reader); err != nil {
		return nil, err
	}
	return nil, large
}

func (s *socket) write(messages []*cdproto.Message) error {
	for _, msg := range messages {
		text, err := jsonv2.Marshal(msg, chromedp.DefaultMarshalOptions)
		if err != nil {
			return err
		}
		if err := s.conn.Write(context.Background(), websocket.MessageText, text); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) Close() error { return s.close() }
