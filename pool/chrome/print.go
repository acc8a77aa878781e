package chrome

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	cdpio "github.com/chromedp/cdproto/io"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	// pieceBytes is how much of a file that is printed is read at a time.
	pieceBytes = 1 << 20
	// closeStreamTimeout bounds the end of a stream whose action has ended. The browser keeps the file
	// until then.
	closeStreamTimeout = 5 * time.Second
	// invalidParams is the code of the browser's answer to a command whose parameters it does not
	// take.
	invalidParams = -32602
)

// PrintPDF is an action that prints the page as chromedp.PrintToPDF does, writes the file to w, and
// returns its size in bytes. At most 1 MB of it is in this process at a time, so a large file costs
// the browser's memory only. After an error, w has a part of the file. The action waits for w as
// well, whatever becomes of ctx.
func PrintPDF(w io.Writer, options ...chromedp.PDFOption) chromedp.Action[int64] {
	return func(ctx context.Context, t *chromedp.Target) (int64, error) {
		params := page.PrintToPDFParams{}
		for _, option := range options {
			option(&params)
		}
		params.TransferMode = page.PrintToPDFTransferModeReturnAsStream
		printed, err := cdp.Call(ctx, t, page.PrintToPDF, params)
		if refused := (*cdproto.Error)(nil); errors.As(err, &refused) &&
			(refused.Code == invalidParams || strings.HasPrefix(refused.Message, "Page range")) {
			return 0, &InputError{Name: "print options", Rule: refused.Message}
		}
		if err != nil {
			return 0, fmt.Errorf("chrome: print: %w", err)
		}
		defer closeStream(ctx, t, printed.Stream)
		size := int64(0)
		for {
			piece, err := cdp.Call(
				ctx, t, cdpio.Read, cdpio.ReadParams{Handle: printed.Stream, Size: pieceBytes},
			)
			if err != nil {
				return size, fmt.Errorf("chrome: print: read the file: %w", err)
			}
			n, err := w.Write(piece.Data)
			size += int64(n)
			if err != nil {
				return size, fmt.Errorf("chrome: print: write the file: %w", err)
			}
			if piece.EOF {
				return size, nil
			}
		}
	}
}

// closeStream has the browser forget a file that it printed, also where ctx has ended.
func closeStream(ctx context.Context, t *chromedp.Target, stream cdpio.StreamHandle) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeStreamTimeout)
	defer cancel()
	// The end of the session closes it as well.
	_, _ = cdp.Call(ctx, t, cdpio.Close, cdpio.CloseParams{Handle: stream})
}
