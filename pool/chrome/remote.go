package chrome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"

	"github.com/pagepool/pagepool/pool"
)

// Remote connects to a browser that somebody else runs. The zero Remote is not valid: it needs a
// URL. Each launch is a connection of its own. What the driver opens goes with it; what others have
// opened in the same browser it does not touch.
//
// There is no process to end here. A connection that is lost is a lost browser, and what becomes of
// its contexts is the browser's doing: it was asked to dispose of them. Close disposes of them
// itself, and closes the connection.
type Remote struct {
	// Options are the settings of its pages.
	Options

	// URL is the browser's endpoint: ws:// or wss:// with a path, as the browser prints it, or http://
	// or https:// of its debugging port, which is then asked for that. Chrome itself answers only to
	// an IP address or localhost.
	URL string
	// Header is sent along with every request to the endpoint, such as for its authorization.
	Header http.Header
}

// Launch connects to the browser and waits until it answers. ctx bounds the start, not the
// connection. After an error there is no connection. All settings that are wrong are in one error.
func (r Remote) Launch(ctx context.Context) (pool.Browser[*Page], error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chrome: connect: %w", ended(ctx))
	}
	settings, wrong := r.Options.checked("Remote")
	endpoint, wrongURL := r.endpoint()
	if err := errors.Join(wrongURL, wrong); err != nil {
		return nil, err
	}
	b, version, err := r.connect(ctx, settings, *endpoint)
	if err != nil {
		return nil, fmt.Errorf(
			"chrome: connect to %s: %w", shown(endpoint), &discreetError{err, endpoint},
		)
	}
	b.log.InfoContext(
		ctx, "browser connected", "product", version, "url", shown(endpoint), "operation",
		pool.OperationID(ctx),
	)
	return b, nil
}

func (r Remote) connect(
	ctx context.Context, settings settings, endpoint url.URL,
) (*browser, string, error) {
	address := endpoint.String()
	if endpoint.Scheme == "http" || endpoint.Scheme == "https" {
		var err error
		if address, err = r.discover(ctx, endpoint); err != nil {
			return nil, "", err
		}
	}
	// Of dialling only the end of ctx counts: the connection lives on.
	conn, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPHeader: r.Header})
	if err != nil {
		return nil, "", fmt.Errorf("%w; is a browser running there with --remote-debugging-port?", err)
	}
	b := newBrowser(settings, nil, newSocket(conn))
	version, err := b.greet(ctx)
	if err != nil {
		b.abort()
		if b.wire.garbage != nil {
			err = b.wire.garbage
		}
		return nil, "", err
	}
	return b, version, nil
}

// shown is an address without what may be secret in it: services of browsers take their token in
// the query.
func shown(u *url.URL) string {
	public := *u
	if public.RawQuery != "" {
		public.RawQuery = "..."
	}
	return public.Redacted()
}

// discreetError is an error without what is secret in an endpoint.
type discreetError struct {
	error
	endpoint *url.URL
}

func (d *discreetError) Unwrap() error { return d.error }

func (d *discreetError) Error() string {
	text := d.error.Error()
	if d.endpoint.RawQuery != "" {
		text = strings.ReplaceAll(text, d.endpoint.RawQuery, "...")
	}
	if password, set := d.endpoint.User.Password(); set && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
	}
	return text
}

// endpoint reads the URL.
func (r Remote) endpoint() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || !strings.Contains(" ws wss http https ", " "+u.Scheme+" ") {
		wrong := r.URL
		if err == nil {
			wrong = shown(u)
		}
		return nil, fmt.Errorf(
			"chrome: Remote.URL is %q: it must be an endpoint such as http://127.0.0.1:9222 "+
				"or ws://127.0.0.1:9222/devtools/browser/ID",
			wrong,
		)
	}
	return u, nil
}

// discover asks a debugging port for the address of its browser.
func (r Remote) discover(ctx context.Context, at url.URL) (string, error) {
	if at.Path == "" || at.Path == "/" {
		at.Path = "/json/version"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", err
	}
	for name, values := range r.Header {
		request.Header[name] = values
	}
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w; is a browser running there with --remote-debugging-port?", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", at.String(), response.Status)
	}
	var version struct{ WebSocketDebuggerURL string }
	if err := json.NewDecoder(response.Body).Decode(&version); err != nil ||
		version.WebSocketDebuggerURL == "" {
		return "", fmt.Errorf(
			"%s names no webSocketDebuggerUrl, so it is no browser's (%v)", at.String(), err,
		)
	}
	return version.WebSocketDebuggerURL, nil
}
