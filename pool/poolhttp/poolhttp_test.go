package poolhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/poolhttp"
	"github.com/pagepool/pagepool/pool/pooltest"
	"github.com/pagepool/pagepool/pool/trace"
)

const secret = `<script>alert("tenant-7")</script>`

// busy has a pool of one tab whose lease hangs, and a request that waits behind it, both with
// labels.
func busy(t *testing.T, fn func(t *testing.T, p *pool.Pool[*pooltest.Page])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := new(pooltest.Browser)
		b.Serve("/x", pooltest.Hangs)
		p, err := pool.New(b, pool.Config{MaxPages: 1, MaxLease: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		for _, label := range []string{"https://example.com/first", "https://example.com/second"} {
			go func() {
				done <- p.Do(ctx, secret, func(ctx context.Context, page *pooltest.Page) error {
					_, err := b.Visit(ctx, page, "/x")
					return err
				}, pool.WithLabel(label))
			}()
			<-time.After(time.Second)
		}
		fn(t, p)
		cancel()
		for range 2 {
			<-done
		}
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func get(t *testing.T, p poolhttp.Pool, o poolhttp.Options, path string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	poolhttp.Handler(p, o).ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d, %v", path, answer.Code, answer.Header())
	}
	return answer.Body.String()
}

func TestShellTheLivePageSaysWhoHoldsWhatAndWhoWaitsForWhat(t *testing.T) {
	busy(t, func(t *testing.T, p *pool.Pool[*pooltest.Page]) {
		html := get(t, p, poolhttp.Options{}, "/")
		for _, want := range []string{
			"1 leases, 1 waiting, capacity 1", `content="2"`, "https://example.com/first",
			"https://example.com/second",
			"&lt;script&gt;", "for the root limit, of 1", "expire r1 in", "<th>age</th>",
		} {
			if !strings.Contains(html, want) {
				t.Errorf("no %q in\n%s", want, html)
			}
		}
		if strings.Contains(html, "<script") || strings.Contains(html, "<button") ||
			strings.Contains(html, "<form") {
			t.Error("the page has markup of a key in it, or something that does something")
		}
		var m poolhttp.Moment
		if err := json.Unmarshal([]byte(get(t, p, poolhttp.Options{}, "/live.json")), &m); err != nil {
			t.Fatal(err)
		}
		held := slices.IndexFunc(m.Tabs, func(x pool.LiveTab) bool { return x.State == "leased" })
		if held < 0 || m.Tabs[held].Request != "r1" || m.Tabs[held].Affinity != secret ||
			len(m.Waits) != 1 ||
			m.Tabs[held].Age < m.Tabs[held].For || m.Tabs[held].Age > 3*time.Second ||
			m.Waits[0].Request != "r2" || m.Waits[0].Cause != "the root limit" ||
			!slices.Equal(m.Waits[0].Tabs, []string{m.Tabs[held].ID}) {
			t.Errorf("%+v", m)
		}
	})
}

// With pseudonyms nothing of a tenant is shown, in the dump neither; without, the dump has the
// labels.
func TestShellWithPseudonymsNothingOfATenantIsShown(t *testing.T) {
	busy(t, func(t *testing.T, p *pool.Pool[*pooltest.Page]) {
		for _, path := range []string{"/", "/live.json", "/dump"} {
			if text := get(t, p, poolhttp.Options{Pseudonyms: true}, path); strings.Contains(text,
				"tenant-7") || strings.Contains(text, "example.com") || !strings.Contains(text, "k1") {
				t.Errorf("%s:\n%s", path, text)
			}
		}
		dump := get(t, p, poolhttp.Options{}, "/dump")
		if _, err := trace.Read(bytes.NewReader([]byte(dump))); err != nil ||
			!strings.Contains(dump, `# r2 is "https://example.com/second"`) {
			t.Errorf("%v in\n%s", err, dump)
		}
	})
}

// An end that nobody asked for is a fault with the label, and counts among the closes once the tab
// is gone.
func TestShellTheLivePageShowsFaultsAndCloses(t *testing.T) {
	busy(t, func(t *testing.T, p *pool.Pool[*pooltest.Page]) {
		<-time.After(15 * time.Second)
		if err := p.DisposeAffinity(t.Context(), secret, pool.NoWait()); err != nil {
			t.Fatal(err)
		}
		var m poolhttp.Moment
		if err := json.Unmarshal([]byte(get(t, p, poolhttp.Options{}, "/live.json")), &m); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(m.Faults, func(f pool.LiveFault) bool {
			return strings.HasPrefix(f.Text, "lease ended without its holder") &&
				strings.Contains(f.Text, "label https://example.com/first")
		}) {
			t.Errorf("%+v", m.Faults)
		}
	})
}

func TestShellALabelThatIsTooLongIsRefused(t *testing.T) {
	busy(t, func(t *testing.T, p *pool.Pool[*pooltest.Page]) {
		for _, text := range []string{strings.Repeat("x", 1025), "\xff"} {
			_, err := p.GetPage(t.Context(), "b", pool.WithLabel(text))
			if e := (*pool.Error)(nil); !errors.As(err, &e) ||
				!strings.Contains(err.Error(), "want UTF-8 of at most 1024 bytes") {
				t.Errorf("%v", err)
			}
		}
	})
}
