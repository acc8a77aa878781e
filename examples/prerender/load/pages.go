package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

// serve answers with the pages that are to be rendered, until it is closed.
func serve(address string) (*http.Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-site is %q: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/table", page(table))
	mux.HandleFunc("/rows", rows)
	mux.HandleFunc("/loop", page("<!DOCTYPE html><title>loop</title><script>function spin() { for "+
		"(;;) {} }\nfunction begin() { spin() }\nbegin()</script>"))
	site := &http.Server{Addr: listener.Addr().String(), Handler: mux,
		ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = site.Serve(listener) }()
	return site, nil
}

func page(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

// table is a page whose script makes all that it shows, and a mark for this very request. It writes
// down whose it is as well, where another tenant in the same browser context would find it.
const table = `<!DOCTYPE html><title>table</title>
<style>body { margin: 2em; font-family: sans-serif } h1 { color: #036 } td { border: 1px solid #999; padding: 2px 12px }
tr:nth-child(even) { background: #def }</style>
<body><script>
const asked = new URLSearchParams(location.search)
localStorage.tenant ??= asked.get("tenant")
const heading = document.createElement("h1")
heading.textContent = "Request " + asked.get("mark") + " of " + localStorage.tenant
document.body.append(heading)
fetch("/rows").then(answer => answer.json()).then(rows => {
	const table = document.createElement("table")
	for (const cells of rows) {
		const row = table.insertRow()
		for (const text of cells) row.insertCell().textContent = text
	}
	table.id = "done"
	document.body.append(table)
})
</script>`

// rows are the table's, which its script asks for.
func rows(w http.ResponseWriter, _ *http.Request) {
	all := make([][]string, 120)
	for i := range all {
		n := i + 1
		all[i] = []string{fmt.Sprint("row ", n), fmt.Sprint(n * n),
			fmt.Sprintf("%.3f", 1000*math.Sin(float64(n)))}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // a browser that has gone is told nothing
}

// whole says what an answer lacks to be the page that was asked for. made is what its script has to
// have made, which stands in none of the bytes that the site serves; empty: anything.
func whole(kind, made string, body []byte) error {
	switch kind {
	case "html":
		if !bytes.Contains(body, []byte(made)) || !bytes.Contains(body, []byte("</html>")) {
			return fmt.Errorf("the page is not whole; it has no %q, or no end", made)
		}
	case "pdf":
		const least = 40_000 // bytes; the heading alone has 9,000, and the whole table 150,000
		if !bytes.HasPrefix(body, []byte("%PDF-")) || !bytes.Contains(body, []byte("%%EOF")) ||
			made != "" && len(body) < least {
			return fmt.Errorf("the PDF is not whole; it has %d bytes and begins with %.8q", len(body), body)
		}
	case "screenshot":
		picture, err := png.Decode(bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("the screenshot is not whole: %w", err)
		}
		const least = 2000 // lines; the whole table has 3,200
		if lines := picture.Bounds().Dy(); made != "" && lines < least {
			return fmt.Errorf("the screenshot is not whole; it has %d lines", lines)
		}
		for y := range picture.Bounds().Dy() {
			for x := range picture.Bounds().Dx() {
				if picture.At(x, y) != picture.At(0, 0) {
					return nil
				}
			}
		}
		return errors.New("the screenshot is blank")
	}
	return nil
}
