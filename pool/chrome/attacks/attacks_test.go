package attacks

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheCorpusIsLargeAndEachPageSaysWhatItAttacks(t *testing.T) {
	families, names := map[string]int{}, map[string]bool{}
	for _, p := range All() {
		families[p.Family]++
		if names[p.Name] || !regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`).MatchString(p.Name) {
			t.Errorf("%s: a name comes twice, or is not of small letters", p.Name)
		}
		names[p.Name] = true
		if !strings.HasSuffix(p.Says, ".") || len(p.Says) < 20 || len(p.Says) > 100 {
			t.Errorf("%s: want a sentence of at most 100 letters, got %q", p.Name, p.Says)
		}
		if !slices.Contains([]string{"", "gpu", "network", "browser"}, p.Shared) {
			t.Errorf("%s: no such process: %q", p.Name, p.Shared)
		}
		if p.script == "" {
			t.Errorf("%s does nothing", p.Name)
		}
	}
	if len(names) < 60 || len(families) < 12 {
		t.Errorf("%d pages in %d families, want 60 in 12", len(names), len(families))
	}
	for family, n := range families {
		if n > 8 {
			t.Errorf("the family %s has %d pages, want at most 8", family, n)
		}
	}
}

func TestTheSampleIsOfTheCorpusAndHasAFamilyOnce(t *testing.T) {
	families := map[string]bool{}
	for _, p := range Sample() {
		if p.Name == "" || families[p.Family] {
			t.Errorf("%q of %q: not in the corpus, or the second of its family", p.Name, p.Family)
		}
		families[p.Family] = true
	}
	if len(families) < 10 || len(families) > 12 {
		t.Errorf("%d pages, want 10 to 12", len(families))
	}
}

func TestTheServerServesEachPageAndHearsItsMarks(t *testing.T) {
	var heard []string
	s := Server{
		Begun:  func(mark string) { heard = append(heard, "begun "+mark) },
		Failed: func(mark, what string) { heard = append(heard, "failed "+mark+" "+what) },
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	for _, p := range All() {
		body := get(p.Path()).Body.String()
		if !strings.Contains(body, p.script) || !strings.Contains(body, "<title>"+p.Name+"<") {
			t.Errorf("%s: %.200s", p.Name, body)
		}
		if worker := get(p.Path() + "/worker.js").Body.String(); worker != p.worker {
			t.Errorf("%s: the script beside it is %.200q", p.Name, worker)
		}
	}
	if w := get("/attacks/no-such"); w.Code != http.StatusNotFound {
		t.Errorf("a page that is not there: %d", w.Code)
	}
	get("/attacks/-/begun?7")
	get("/attacks/-/failed?7&a%20b")
	if !slices.Equal(heard, []string{"begun 7", "failed 7 a b"}) {
		t.Errorf("heard %q", heard)
	}
}
