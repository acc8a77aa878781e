package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// site serves the pages on this machine. /app is what is rendered: a page that loads a style, a
// program and data, and makes of them a table of 120 rows. Style and program may be kept in a
// cache; the page itself and its data may not. It has the title "app N" for /app?n=N when it is
// complete, and its promise "complete" is the title.
type site struct {
	url    string
	server *http.Server
}

func newSite() (*site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	serve := func(path, kind, cache, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", cache)
			fmt.Fprint(w, text)
		})
	}
	const keep, forget = "public, max-age=3600", "no-store"
	serve("/app", "text/html; charset=utf-8", forget, appPage)
	serve("/app.css", "text/css", keep, appStyle)
	serve("/app.js", "text/javascript", keep, appProgram())
	serve("/app.json", "application/json", forget, appData())
	serve("/loop", "text/html; charset=utf-8", forget,
		"<title>loop</title><script>for (;;) {}</script>")
	serve("/restless", "text/html; charset=utf-8", forget, restlessPage)
	serve("/redirect", "text/html; charset=utf-8", forget, redirectPage)
	s := &site{url: "http://" + listener.Addr().String(), server: &http.Server{Handler: mux}}
	go func() { _ = s.server.Serve(listener) }() // it ends with Close
	return s, nil
}

func (s *site) app(n int) string { return fmt.Sprintf("%s/app?n=%d", s.url, n) }

const appPage = `<!DOCTYPE html><html><head><title>loading</title><link rel="stylesheet" href="/app.css"></head>
<body><header><h1>An application</h1><nav></nav></header><main><table><tbody></tbody></table></main>
<script src="/app.js"></script></body></html>`

// redirectPage goes to another one of its kind for ever.
const redirectPage = `<title>redirect</title><script>document.write("<meta http-equiv=refresh content='0;url=/redirect?n=" +
	(1 + Number(new URLSearchParams(location.search).get("n"))) + "'>")</script>`

// restlessPage is never idle, and leaves garbage.
const restlessPage = `<!DOCTYPE html><title>restless</title><style>@keyframes turn { to { transform: rotate(360deg) } }
p { width: 200px; height: 200px; background: linear-gradient(red, blue); animation: turn 1s linear infinite }</style><p></p><script>
let ticks = 0, frames = 0, held
setInterval(() => ticks++, 20)
requestAnimationFrame(function frame() { frames++; requestAnimationFrame(frame) })
for (let i = 0; i < 5; i++) held = Array.from({length: 100000}, (_, at) => ({at, text: "row " + at + i}))
held = null</script>`

const appStyle = `body { font: 14px sans-serif; margin: 0 } header { background: #246; color: white; padding: 8px; display: flex }
nav { display: grid; grid-template-columns: repeat(8, 1fr); gap: 4px } table { border-collapse: collapse; width: 100% }
td { border: 1px solid #ccc; padding: 2px 6px } tr:nth-child(even) { background: #f4f6f8 } .late { color: #a00; font-weight: bold }
tr:hover td { box-shadow: 0 1px 3px gray }`

// appProgram is as long as a small application with its framework, and runs a part of itself.
func appProgram() string {
	var b strings.Builder
	for i := range 600 {
		fmt.Fprintf(&b, "function part%d(row, at) { const sum = row.values.reduce((a, v) => a + v * "+
			"%d, at); return sum %% %d > 3 ? 'late' : 'due ' + sum }\n", i, i+1, i%13+5)
	}
	b.WriteString("const parts = [")
	for i := range 600 {
		fmt.Fprintf(&b, "part%d,", i)
	}
	b.WriteString(`]
const n = new URLSearchParams(location.search).get("n")
const complete = fetch("/app.json").then(answer => answer.json()).then(rows => {
	const body = document.querySelector("tbody")
	rows.forEach((row, at) => {
		const line = document.createElement("tr")
		for (const cell of [row.name, ...row.values, parts[(at * 5) % parts.length](row, at)]) {
			const td = document.createElement("td"); td.textContent = cell; td.className = cell === "late" ? "late" : ""; line.append(td)
		}
		body.append(line)
	})
	document.querySelector("nav").innerHTML = rows.slice(0, 40).map(row => "<a href=#>" + row.name + "</a>").join("")
	if (document.body.offsetHeight < 500) throw new Error("no table")
	document.title = "app " + n
	return document.title
})`)
	return b.String()
}

func appData() string {
	var rows []string
	for i := range 120 {
		rows = append(rows, fmt.Sprintf(`{"name":"row %d","values":[%d,%d,%d,%d]}`, i, i, i*i, i*7%100,
			i%3))
	}
	return "[" + strings.Join(rows, ",") + "]"
}
