// Package attacks is a corpus of pages that attack the browser that shows them: they loop, fill
// memory, flood the browser with messages, requests, windows or frames, or keep a process busy that
// all tabs share. loopback serves them and measures what each costs the tabs beside it.
//
//	for _, page := range attacks.All() {
//		fmt.Println(page.Name, page.Says)
//	}
//
// A page begins its attack when its function begin is called, with a mark that it tells its server.
package attacks

import (
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Page is one page of the corpus.
type Page struct {
	Name string
	// Family is the kind of the attack. A family has at most 8 pages.
	Family string
	// Says is one sentence: what the page attacks, and how.
	Says string
	// Shared is the process that the page can keep from serving other tabs: gpu, network or
	// browser. Empty: it can keep none.
	Shared string

	script string // the attack: the body of an async function
	worker string // a script that is served beside the page
}

// Burn is the page that merely burns a processor core: what other pages are compared with.
const Burn = "loop-empty"

// families has the files of the corpus in their order.
var families = []string{
	"loops", "tasks", "memory", "documents", "layout", "drawing", "workers", "popups", "dialogs",
	"navigation", "network", "console", "storage", "ends", "frames",
}

//go:embed corpus
var corpus embed.FS

var (
	// heading begins a page in its family's file: a name, perhaps a process, and a sentence.
	heading = regexp.MustCompile(`(?m)^// ([a-z]+(?:-[a-z]+)+)(?: \(([a-z]+)\))?: (.+)\n`)
	// beside begins the script that is served beside a page.
	beside = "// worker:\n"
)

// All returns the corpus, family by family. The slice is the caller's.
func All() []Page { return slices.Clone(read()) }

var read = sync.OnceValue(func() (all []Page) {
	for _, family := range families {
		text, err := corpus.ReadFile("corpus/" + family + ".js")
		if err != nil {
			panic("attacks: BUG: " + err.Error())
		}
		heads := heading.FindAllSubmatchIndex(text, -1)
		for i, at := range heads {
			end := len(text)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			part := func(n int) string { return string(text[max(0, at[2*n]):max(0, at[2*n+1])]) }
			p := Page{Name: part(1), Family: family, Shared: part(2), Says: part(3)}
			p.script, p.worker, _ = strings.Cut(string(text[at[1]:end]), beside)
			all = append(all, p)
		}
	}
	return all
})

// Named returns the page of a name.
func Named(name string) (Page, bool) {
	all := read()
	if i := slices.IndexFunc(all, func(p Page) bool { return p.Name == name }); i >= 0 {
		return all[i], true
	}
	return Page{}, false
}

// Sample returns a page each of twelve families, for a test that has a minute.
func Sample() []Page {
	var pages []Page
	for _, name := range sample {
		page, _ := Named(name)
		pages = append(pages, page)
	}
	return pages
}

var sample = []string{
	"task-promises", "memory-arrays", "dom-append", "layout-thrash", "draw-backdrop",
	"worker-loops", "popup-many", "dialog-prompts", "navigate-fragment", "net-streams",
	"console-errors", "end-pagehide",
}

// root is where a Server serves the corpus.
const root = "/attacks/"

// Path returns where a Server serves the page.
func (p Page) Path() string { return root + p.Name }

// Begin returns the script that begins the attack of a page that a browser shows. The page asks its
// server for the mark first, and goes on when it has the answer.
func (p Page) Begin(mark string) string { return fmt.Sprintf("setTimeout(begin, 0, %q)", mark) }

// Server serves the corpus.
type Server struct {
	// Begun is told of the mark of a page that is about to attack.
	Begun func(mark string)
	// Failed is told of an attack whose script ended with an error.
	Failed func(mark, what string)
	// Done ends the answers that have no end.
	Done <-chan struct{}
}

// Serves reports whether a path belongs to the corpus.
func Serves(path string) bool { return strings.HasPrefix(path, root) }

// ServeHTTP answers the requests of the pages.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, root), "/")
	if name == "-" {
		s.serveService(w, r, rest)
		return
	}
	page, ok := Named(name)
	switch {
	case !ok:
		http.NotFound(w, r)
	case rest == "worker.js":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, page.worker)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, document, page.Name, page.script)
	}
}

// document is a page, to be filled with its name and its attack. With ?go it attacks as it loads.
//
//go:embed page.html
var document string

// serveService answers what pages ask for beside documents.
func (s Server) serveService(w http.ResponseWriter, r *http.Request, what string) {
	switch what {
	case "begun":
		s.Begun(r.URL.RawQuery)
	case "failed":
		mark, text, _ := strings.Cut(r.URL.RawQuery, "&")
		text, _ = url.QueryUnescape(text)
		s.Failed(mark, text)
	case "hang":
		select {
		case <-r.Context().Done():
		case <-s.Done:
		}
	case "endless":
		s.flood(w, r, strings.Repeat("endless ", 8<<10))
	case "events":
		w.Header().Set("Content-Type", "text/event-stream")
		s.flood(w, r, strings.Repeat("data: "+strings.Repeat("x", 120)+"\n\n", 100))
	case "document":
		w.Header().Set("Content-Type", "text/html")
		s.flood(w, r, strings.Repeat("<p>endless", 1<<10))
	case "download":
		w.Header().Set("Content-Disposition", "attachment; filename=endless")
		s.flood(w, r, strings.Repeat("endless ", 8<<10))
	case "redirect":
		n, _ := strconv.Atoi(r.URL.RawQuery)
		http.Redirect(w, r, root+"-/redirect?"+strconv.Itoa(n+1), http.StatusFound)
	case "cookies":
		for i := range 100 {
			name := "c" + r.URL.RawQuery + strconv.Itoa(i)
			http.SetCookie(w, &http.Cookie{Name: name, Value: strings.Repeat("x", 1000)})
		}
	default:
		fmt.Fprint(w, what) // a small answer, which can be cached
	}
}

// flood writes a text again and again until the client or the server ends.
func (s Server) flood(w http.ResponseWriter, r *http.Request, text string) {
	for r.Context().Err() == nil {
		select {
		case <-s.Done:
			return
		default:
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return
		}
	}
}
