package chrome

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/chromedp/chromedp"
)

// InputError is the error of an action that was given something it cannot work with: a selector
// that is none, an unknown time zone, a malformed name of a header. It says nothing about the page.
// A service answers it as its caller's mistake (400).
type InputError struct {
	// Name is what is wrong, such as "selector" or "time zone".
	Name string
	// Value is what was given, quoted where it is a text. It is empty where the value may be a secret.
	Value string
	// Rule says what is right.
	Rule string
	// Err is the browser's word on it. Nil: the browser was not asked.
	Err error
}

// Error names the input, its value and the rule.
func (e *InputError) Error() string {
	text := "chrome: " + e.Name
	if e.Value != "" {
		text += " is " + e.Value
	}
	text += ": " + e.Rule
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// refuse is the error for an input that breaks a rule.
func refuse(name, value, rule string) error {
	return &InputError{Name: name, Value: quoted(value), Rule: rule}
}

// invalid is an action that fails with err, which is known before it runs.
func invalid(err error) chromedp.Action[chromedp.Void] {
	return func(context.Context, *chromedp.Target) (chromedp.Void, error) {
		return chromedp.Void{}, err
	}
}

// quoteJS is a text as a literal of JavaScript.
func quoteJS(text string) string {
	literal, _ := json.Marshal(text) // a string always has JSON; what is no UTF-8 in it is replaced
	return string(literal)
}
