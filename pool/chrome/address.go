package chrome

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// Addresses that a command may have a page go to. A scheme such as file or chrome reads the
// machine. Chrome itself keeps pages that are not on such a scheme from going to one, by script,
// redirect, frame or popup. What it does not refuse are commands, so those are checked, and no page
// gets there to begin with.

// webSchemes are allowed always. Of about:, only the blank page is.
var webSchemes = []string{"http", "https", "data", "blob"}

// schemeName is how a scheme is written in AllowSchemes.
var schemeName = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// fileScheme allows more than addresses: commands that give a page the content of files.
const fileScheme = "file"

// navigating are the commands that name an address, with the parameter that has it.
var navigating = map[string]string{
	"Page.navigate":               "url",
	"Target.createTarget":         "url",
	"Network.loadNetworkResource": "url",
	"Fetch.continueRequest":       "url",
}

// schemeOf is the scheme of an address, in lower case, as Chrome reads it: without leading blanks
// and controls, and without tabs and ends of lines wherever they are. It is empty where the address
// has none; Chrome refuses such an address, or takes it for the blank page.
func schemeOf(address string) string {
	address = strings.TrimLeftFunc(address, func(r rune) bool { return r <= ' ' })
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address)
	scheme, _, found := strings.Cut(address, ":")
	scheme = strings.ToLower(scheme)
	if !found || !schemeName.MatchString(scheme) {
		return ""
	}
	return scheme
}

// schemeAllowed reports whether a page may go to an address.
func (s *settings) schemeAllowed(address string) bool {
	scheme := schemeOf(address)
	switch {
	case scheme == "", slices.Contains(webSchemes, scheme), slices.Contains(s.AllowSchemes, scheme):
		return true
	case scheme == "about":
		rest := address[strings.Index(address, ":")+1:]
		rest = strings.TrimRight(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(rest), " ")
		name, _, _ := strings.Cut(rest, "#")
		name, _, _ = strings.Cut(name, "?")
		return name == "blank"
	}
	return false
}

// checkAddress is an error where a command has a page go to an address, or read a file, that is not
// allowed. It says which setting allows it.
func (s *settings) checkAddress(method string, encoded jsonv2.Value) error {
	name, goes := navigating[method]
	switch {
	case goes:
		params, err := parse(encoded)
		if err != nil {
			return err
		}
		address, _, err := text(params, name)
		if err != nil || s.schemeAllowed(address) {
			return err
		}
		return fmt.Errorf("the scheme %q of %s is not allowed; %s.AllowSchemes allows it",
			schemeOf(address), discreet(shortened(address)), s.owner)
	case !s.namesFiles(method, encoded), slices.Contains(s.AllowSchemes, fileScheme):
		return nil
	}
	return fmt.Errorf(
		"it gives the page files of this machine; %s.AllowSchemes allows it with %q", s.owner, fileScheme,
	)
}

// namesFiles reports whether a command gives a page the content of files that it names.
func (s *settings) namesFiles(method string, encoded jsonv2.Value) bool {
	switch method {
	case "DOM.setFileInputFiles":
		return true
	case "Input.dispatchDragEvent":
		var drag struct {
			Data struct {
				Files []string `json:"files"`
			} `json:"data"`
		}
		return decode(encoded, &drag) != nil || len(drag.Data.Files) > 0
	}
	return false
}
