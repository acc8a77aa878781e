package properties

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/poolhttp"
	"github.com/pagepool/pagepool/pool/pooltest"
	"github.com/pagepool/pagepool/testdata"
)

// mostOfAPicture is how many bytes a picture of the documents may have.
const mostOfAPicture = 200_000

// pictures takes the pictures of the documents, in docs/images: with -update, they are written.
// What is there has to have the size of what is drawn now.
func pictures(t *testing.T, p *pool.Pool[*chrome.Page]) {
	text, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		t.Fatal(err)
	}
	overTime := `(k => { k.value = "time"; k.dispatchEvent(new Event("change")); return k.value })(document.getElementById("scale"))`
	incident := viewedAs(t, "The Glimmer-loop incident", text, "", "")
	onAPage(t, p, incident.URL, 1200, 1000, func(page *chrome.Page) {
		scripted[string](t, page, overTime)
		clickLane(t, page, "t3 closing")
		picture(t, page, "incident.png")
	})
	beside := viewedAs(t, "The Glimmer-loop incident, and with a limit of 20 s", text, "",
		"MaxLease=20s")
	onAPage(t, p, beside.URL, 1200, 1000, func(page *chrome.Page) {
		scripted[string](t, page, overTime)
		clickOn(t, page, `document.querySelector("#verdict > p > .jump")`)
		picture(t, page, "beside.png")
	})
	live := httptest.NewServer(poolhttp.Handler(busyPool(t), poolhttp.Options{Refresh: time.Minute}))
	defer live.Close()
	onAPage(t, p, live.URL, 1000, 800, func(page *chrome.Page) { picture(t, page, "live.png") })
}

// picture takes one picture, from the top of the page.
func picture(t *testing.T, page *chrome.Page, name string) {
	t.Helper()
	scripted[bool](t, page, `scrollTo(0, 0), true`)
	shot, err := chrome.Run(limited(t), page, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	file := "../docs/images/" + name
	if *update {
		if err := os.WriteFile(file, shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	is, err := png.DecodeConfig(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	if was, err := png.DecodeConfig(bytes.NewReader(kept)); err != nil || was.Width != is.Width ||
		was.Height != is.Height || len(kept) > mostOfAPicture {
		t.Errorf("%s: %v, %d x %d, %d bytes; it is drawn as %d x %d, and may have %d bytes\n"+
			"PAGEPOOL_CHROME=1 go test -run ChromePagesOfRuns/pictures ./properties -update writes it",
			name, err, was.Width, was.Height, len(kept), is.Width, is.Height, mostOfAPicture)
	}
}

// busyPool is a pool on a fake browser with something to show: leases, a page that crashed, and two
// callers that wait.
func busyPool(t *testing.T) *pool.Pool[*pooltest.Page] {
	t.Helper()
	b := new(pooltest.Browser)
	b.Serve("/report", pooltest.Crashes)
	p, err := pool.New(b, pool.Config{MaxPages: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error, 2)
	var held []*pool.Lease[*pooltest.Page]
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-waiting; !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that waited got %v", err)
			}
		}
		for _, l := range held {
			l.Release()
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	err = p.Do(limited(t), "tenant-4", func(ctx context.Context, page *pooltest.Page) error {
		_, err := b.Visit(ctx, page, "/report")
		return err
	}, pool.WithLabel("https://shop.example/report"))
	if !errors.Is(err, pool.ErrPageCrashed) {
		t.Errorf("a page that crashes: %v", err)
	}
	for n, label := range []string{"cart", "invoice/17"} {
		l, err := p.GetPage(limited(t), fmt.Sprintf("tenant-%d", n+1),
			pool.WithLabel("https://shop.example/"+label))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
	}
	for n := range 2 {
		go func() {
			_, err := p.GetPage(ctx, fmt.Sprintf("tenant-%d", n+2),
				pool.WithLabel("https://shop.example/search"))
			waiting <- err
		}()
	}
	eventually(t, "two callers wait", func() bool { return p.Stats().Waiting == 2 })
	return p
}
