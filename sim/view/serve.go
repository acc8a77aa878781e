package view

import (
	"bytes"
	"net/http"
	"strconv"
)

// Perfetto is the origin of the viewer that knows the format of timelines.
const Perfetto = "https://ui.perfetto.dev"

// Handler serves a page at / and its timeline, in the trace-event format, at /timeline.json. The
// page hands the timeline over by the viewer's postMessage protocol: it opens the viewer, says PING
// until that says PONG, and sends it the bytes.
func Handler(p *Page, traceEvents []byte) (http.Handler, error) {
	var html bytes.Buffer
	if err := p.Write(&html); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	give := func(kind string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(body) // whoever hangs up has his reasons
		}
	}
	mux.HandleFunc("GET /{$}", give("text/html; charset=utf-8", html.Bytes()))
	mux.HandleFunc("GET /timeline.json", give("application/json", traceEvents))
	return mux, nil
}
