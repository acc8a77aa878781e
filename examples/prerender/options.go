package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// visit are the options of every request: what is shown, who asks for it, and until when to wait.
// Their names are those of Puppeteer and of the services built on it. They come as JSON, or, but
// for those that hold secrets or several values, as a query.
type visit struct {
	URL  string `json:"url"`  // what to go to; with html, the address that the document is given
	HTML string `json:"html"` // what to show instead of what the server of url has

	Wait              string `json:"wait"` // short for waitForSelector
	WaitForSelector   string `json:"waitForSelector"`
	WaitForExpression string `json:"waitForExpression"`
	WaitUntil         string `json:"waitUntil"` // load, networkidle0 or networkidle2

	Headers   map[string]string `json:"headers"`
	Cookies   []cookie          `json:"cookies"`
	Username  string            `json:"username"` // for the challenges of url's origin
	Password  string            `json:"password"`
	UserAgent string            `json:"userAgent"`
	Locale    string            `json:"locale"`
	Timezone  string            `json:"timezone"`

	JavaScriptEnabled *bool    `json:"javaScriptEnabled"`
	BlockResources    []string `json:"blockResources"`
	BlockURLs         []string `json:"blockURLs"`
}

// cookie is one that the page is visited with. Without a domain, it goes to the host of url.
type cookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Domain   string `json:"domain"`
	Path     string `json:"path"`
	Secure   bool   `json:"secure"`
	HTTPOnly bool   `json:"httpOnly"`
	SameSite string `json:"sameSite"`
}

// inBodyOnly are the options that are refused in a query, which gets into the logs of others.
var inBodyOnly = []string{"headers", "cookies", "username", "password"}

// mistake is the error for what the caller did wrong, and the status that it is answered with.
type mistake struct {
	status int
	text   string
}

func (m *mistake) Error() string { return m.text }

func badRequest(format string, values ...any) error {
	return &mistake{http.StatusBadRequest, fmt.Sprintf(format, values...)}
}

// parse reads the options of a request into a pointer to a struct: of a GET from its query; of a
// POST from its body of JSON, or from its query with a body of HTML.
func parse(w http.ResponseWriter, request *http.Request, into any) error {
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		return badRequest("the query: %v", err)
	}
	options, err := fromQuery(query, into)
	if err != nil {
		return err
	}
	if request.Method == http.MethodPost {
		body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, bodyBytes))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return &mistake{http.StatusRequestEntityTooLarge,
				fmt.Sprintf("the body has more than %d bytes", bodyBytes)}
		}
		if err != nil {
			return badRequest("the body: %v", err)
		}
		switch kind, _, _ := mime.ParseMediaType(request.Header.Get("Content-Type")); kind {
		case "text/html":
			options["html"], _ = json.Marshal(string(body))
		case "application/json":
			var more map[string]json.RawMessage
			if err := json.Unmarshal(body, &more); err != nil {
				return badRequest("the body is no JSON object: %v", err)
			}
			maps.Copy(options, more)
		default:
			return &mistake{http.StatusUnsupportedMediaType,
				fmt.Sprintf("Content-Type is %.80q: it must be text/html or application/json", kind)}
		}
	}
	return decode(options, into)
}

// fields are the options that a struct has, by name.
func fields(of any) map[string]reflect.Value {
	value := reflect.ValueOf(of).Elem()
	found := map[string]reflect.Value{}
	for _, field := range reflect.VisibleFields(value.Type()) {
		if name := field.Tag.Get("json"); name != "" {
			found[name] = value.FieldByIndex(field.Index)
		}
	}
	return found
}

// fromQuery reads a query as if it were JSON. An option that takes several values may come several
// times.
func fromQuery(query url.Values, into any) (map[string]json.RawMessage, error) {
	known, options := fields(into), map[string]json.RawMessage{}
	for name, values := range query {
		field, ok := known[name]
		switch {
		case !ok:
			return nil, unknown(name, known)
		case slices.Contains(inBodyOnly, name):
			return nil, badRequest("%s must come in a body of JSON, since queries get into logs", name)
		case field.Kind() == reflect.Slice:
			options[name], _ = json.Marshal(values)
		case len(values) > 1:
			return nil, badRequest("%s comes %d times", name, len(values))
		case field.Kind() == reflect.String:
			options[name], _ = json.Marshal(values[0])
		default:
			options[name] = json.RawMessage(values[0])
		}
	}
	return options, nil
}

func unknown(name string, known map[string]reflect.Value) error {
	return badRequest("unknown option %.80q: the options here are %s", name,
		strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// decode decodes each option, so that an error names it.
func decode(options map[string]json.RawMessage, into any) error {
	known := fields(into)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		field, ok := known[name]
		if !ok {
			return unknown(name, known)
		}
		decoder := json.NewDecoder(bytes.NewReader(options[name]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(field.Addr().Interface()); err != nil || decoder.More() {
			return badRequest("%s must be %s", name, rules[field.Type()])
		}
	}
	return nil
}

// rules say what an option of a type has to be.
var rules = map[reflect.Type]string{
	reflect.TypeFor[string]():            "a string",
	reflect.TypeFor[*bool]():             "true or false",
	reflect.TypeFor[bool]():              "true or false",
	reflect.TypeFor[float64]():           "a number",
	reflect.TypeFor[[]string]():          "a list of strings",
	reflect.TypeFor[map[string]string](): "an object of strings",
	reflect.TypeFor[[]cookie](): "a list of objects with name, value, domain, path, " +
		"secure, httpOnly and sameSite",
}
