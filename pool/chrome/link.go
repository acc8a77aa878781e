package chrome

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// link carries the messages of a wire. Close wakes whoever reads or writes.
type link interface {
	// read returns the next message, which is the caller's until the next read.
	read() ([]byte, error)
	write(messages []*cdproto.Message) error
	Close() error
}

// pipe is the link to a browser of our own: no port, and the browser ends when we do.
type pipe struct {
	in    *bufio.Reader
	out   *bufio.Writer
	long  []byte // a message that is longer than the buffer
	close func() error
}

func newPipe(in io.ReadCloser, out io.WriteCloser) *pipe {
	return &pipe{
		in: bufio.NewReaderSize(in, 256<<10), out: bufio.NewWriter(out),
		close: sync.OnceValue(func() error { return errors.Join(in.Close(), out.Close()) }),
	}
}

func (p *pipe) read() ([]byte, error) {
	p.long = nil
	for {
		text, err := p.in.ReadSlice(0)
		if err == bufio.ErrBufferFull {
			p.long = append(p.long, text...)
			continue
		}
		if err != nil {
			return nil, err
		}
		if p.long != nil {
			p.long = append(p.long, text...)
			text = p.long
		}
		return text[:len(text)-1], nil
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
	conn  *websocket.Conn
	close func() error
}

// newSocket takes over a connection.
func newSocket(conn *websocket.Conn) *socket {
	conn.SetReadLimit(-1) // a screenshot has no limit either
	return &socket{conn: conn, close: sync.OnceValue(conn.CloseNow)}
}

func (s *socket) read() ([]byte, error) {
	kind, text, err := s.conn.Read(context.Background())
	if err == nil && kind != websocket.MessageText {
		err = fmt.Errorf("chrome: the browser sent a message that is no text")
	}
	return text, err
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
