package chrome

import (
	"strings"
	"testing"
)

func TestAddressesThatReadTheMachineAreRefused(t *testing.T) {
	g := guarded(t, settings{Options: Options{AllowSchemes: []string{"chrome-extension"}}})
	for address, scheme := range map[string]string{
		"http://a/": "", "HTTPS://a/": "", "about:blank": "", "about:blank#x": "",
		"data:text/html,x": "", "blob:https://a/1": "", "chrome-extension://a/": "", "": "",
		"example.com": "", "/etc/passwd": "", "http://a/?to=file:///": "", "file:///etc/passwd": "file",
		"FILE:/etc/passwd": "file", " \tfi\nle:///etc/passwd": "file", "\x01file:x": "file",
		"chrome://version": "chrome", "devtools://x": "devtools",
		"view-source:https://a/": "view-source", "filesystem:https://a/temporary/x": "filesystem",
		"about:version": "about", "about:": "about", "about:srcdoc": "about",
		"javascript:1": "javascript", "chrome-untrusted://print": "chrome-untrusted",
		"content://x": "content", "ftp://a/": "ftp",
	} {
		params := string(encode("", map[string]string{"url": address}))
		for method := range navigating {
			text := g.judged("s", method, params).refusal()
			if method == "Target.createTarget" || scheme != "" {
				if (text != "") != (scheme != "") {
					t.Errorf("%s %q: %q", method, address, text)
				}
			}
			if scheme != "" &&
				(!strings.Contains(text, `"`+scheme+`"`) || !strings.Contains(text, "Launcher.AllowSchemes")) {
				t.Errorf("%s %q: %q does not name its scheme or the setting", method, address, text)
			}
		}
	}
	text := g.judged("s", "Page.navigate", `{"url":"file://me:secret@host/x?token=secret#secret"}`).
		refusal()
	if strings.Contains(text, "secret") || !strings.Contains(text, "host/x?...") {
		t.Errorf("the error has the query: %s", text)
	}
	for _, params := range []string{`{"url":7}`, `{"url":"http://a/","url":"file:///"}`, `[]`} {
		if g.judged("s", "Page.navigate", params).refusal() == "" {
			t.Errorf("Page.navigate %s is sent", params)
		}
	}
}

func TestFilesOfTheMachineNeedTheirScheme(t *testing.T) {
	for _, c := range []struct {
		method, params string
		names          bool
	}{
		{"DOM.setFileInputFiles", `{"files":["/etc/passwd"],"nodeId":1}`, true},
		{"Input.dispatchDragEvent", `{"type":"drop","data":{"items":[],"files":["/etc/passwd"]}}`, true},
		{"Input.dispatchDragEvent", `{"type":"drop","data":{"items":[]}}`, false},
	} {
		shut := guarded(t, settings{})
		open := guarded(t, settings{Options: Options{AllowSchemes: []string{"file"}}})
		if text := shut.judged("s", c.method, c.params).refusal(); (text != "") != c.names {
			t.Errorf("%s %s: %q", c.method, c.params, text)
		}
		if text := open.judged("s", c.method, c.params).refusal(); text != "" {
			t.Errorf("with file allowed, %s %s: %q", c.method, c.params, text)
		}
	}
}

func TestSchemesAreCheckedAtLaunch(t *testing.T) {
	for _, bad := range []string{"", "file:", "File", "file://", "1a", "a b"} {
		_, err := Options{AllowSchemes: []string{"file", bad}}.checked("Launcher")
		if err == nil ||
			!strings.Contains(
				err.Error(), `chrome: Launcher.AllowSchemes[1] is "`+bad+`": it must be a scheme`,
			) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := (Options{StandbyURL: "file:///standby.html"}).checked("Launcher"); err == nil ||
		!strings.Contains(err.Error(), "AllowSchemes") {
		t.Errorf("a standby page on file: %v", err)
	}
	allowed := Options{StandbyURL: "file:///standby.html", AllowSchemes: []string{"file"}}
	_, err := allowed.checked("Launcher")
	if err != nil {
		t.Errorf("a standby page on file that is allowed: %v", err)
	}
}
