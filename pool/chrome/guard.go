package chrome

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
)

// refusedCode is the code of an answer to a command that was not sent. It is that of Chrome's own
// refusals.
const refusedCode = -32000

// guard stands between the chromedp of a tab and the wire. What a holder may not send is answered
// with an error, answers that list targets or contexts are cut down to those of the lease, and
// events about other targets do not arrive. The driver's own calls go past it.
type guard struct {
	t    *tab
	line *line

	mu struct {
		sync.Mutex
		children map[target.SessionID]bool // sessions that Chrome attached below those of the line
		windows  map[int64]bool            // windows of targets of the lease
		told     map[target.ID]bool        // targets that the holder was told of and that exist
	}
}

func newGuard(t *tab, l *line) *guard {
	g := &guard{t: t, line: l}
	g.mu.children = make(map[target.SessionID]bool)
	g.mu.windows = make(map[int64]bool)
	g.mu.told = make(map[target.ID]bool)
	return g
}

// verdict is what becomes of one command.
type verdict struct {
	params jsonv2.Value           // sent instead of the command's own
	answer *cdproto.Message       // not nil: the command is not sent, and this is the answer
	then   func(*cdproto.Message) // not nil: changes the answer, on the pump, and must not block
}

// judge decides about a command. It waits for nothing.
func (g *guard) judge(msg *cdproto.Message) verdict {
	v, err := g.decide(msg)
	if err != nil {
		text := fmt.Sprintf("chrome: %s is refused: %v", msg.Method, err)
		return verdict{answer: &cdproto.Message{
			ID: msg.ID, SessionID: msg.SessionID, Error: &cdproto.Error{Code: refusedCode, Message: text},
		}}
	}
	return v
}

func (g *guard) decide(msg *cdproto.Message) (verdict, error) {
	method, s := string(msg.Method), &g.t.b.settings
	v := verdict{params: msg.Params}
	if err := s.checkAddress(method, msg.Params); err != nil {
		return v, err
	}
	if s.WholeBrowser {
		return v, nil
	}
	if msg.SessionID != "" && !g.ownsSession(msg.SessionID) {
		return v, g.foreign("session", msg.SessionID)
	}
	scope, why := ruleOf(method).on(msg.SessionID == "")
	switch scope {
	case allowed:
		return v, nil
	case refused:
		return v, fmt.Errorf("it %s; %s.WholeBrowser allows it", why, s.owner)
	case silent:
		v.answer = &cdproto.Message{ID: msg.ID, SessionID: msg.SessionID, Result: jsonv2.Value("{}")}
		return v, nil
	case listsTargets:
		v.then = g.onlyOwnTargets
		return v, nil
	case listsOwn:
		v.then = g.onlyOwnContexts
		return v, nil
	}
	params, err := parse(msg.Params)
	if err == nil {
		err = g.checkNames(scope, msg, params)
	}
	if err == nil && scope == newTarget {
		err = g.checkRoom()
	}
	if err != nil {
		return v, err
	}
	if scope == findsWindow {
		v.then = g.noteWindow
	}
	v.params, err = jsonv2.Marshal(params) // what was read is what is sent
	return v, err
}

// checkNames looks at what a command names. It adds the context of the lease's page where the
// command names none and the browser would take its default context.
func (g *guard) checkNames(
	scope scope, msg *cdproto.Message, params map[string]jsonv2.Value,
) error {
	switch scope {
	case newTarget:
		if yes := false; params["forTab"] != nil && (decode(params["forTab"], &yes) != nil || yes) {
			return errors.New("forTab asks for a target of the browser's own, and no lease has those")
		}
	case ownTarget, findsWindow:
		return g.checkTarget(params)
	case ownSession:
		session, named, err := text(params, "sessionId")
		if err == nil && named && !g.ownsSession(target.SessionID(session)) {
			err = g.foreign("session", session)
		}
		if err != nil {
			return err
		}
		return g.checkTarget(params)
	case ownWindow:
		var id int64
		if err := decode(params["windowId"], &id); err != nil {
			return fmt.Errorf("windowId is %s, and has to be a number", params["windowId"])
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.mu.windows[id] {
			return fmt.Errorf(
				"window %d is not known to be this lease's; ask Browser.getWindowForTarget for it; "+
					"%s.WholeBrowser allows all windows",
				id,
				g.t.b.owner,
			)
		}
		return nil
	}
	id, named, err := text(params, "browserContextId")
	context := cdp.BrowserContextID(id)
	switch {
	case err != nil:
		return err
	case named && scope == ownProfile && context == g.t.c.id:
		return errors.New(
			"the context of the lease's page is the pool's; Lease.Discard gives the page up",
		)
	case named && !g.ownsContext(context):
		return g.foreign("context", context)
	case named && context != "", scope == ownProfile:
		return nil
	case scope == newTarget, msg.SessionID == "", msg.Method.Domain() == "Browser":
		// A session of a page takes Storage's commands for the page's own context.
		params["browserContextId"] = encode(string(msg.Method), g.t.c.id)
	}
	return nil
}

func (g *guard) checkTarget(params map[string]jsonv2.Value) error {
	id, named, err := text(params, "targetId")
	if err == nil && named && !g.ownsTarget(target.ID(id)) {
		err = g.foreign("target", id)
	}
	return err
}

// foreign is the error for what is not of the lease. It is the same for what is not there at all.
func (g *guard) foreign(what string, id any) error {
	return fmt.Errorf(
		"%s %.64q is not this lease's; %s.WholeBrowser allows those of others", what, fmt.Sprint(id),
		g.t.b.owner,
	)
}

// ownsSession reports whether a session is one of the line, or was attached by the browser below
// one of them.
func (g *guard) ownsSession(id target.SessionID) bool {
	w := g.line.w
	w.mu.Lock()
	owner := w.mu.sessions[id]
	w.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	return owner == g.line || g.mu.children[id]
}

func (g *guard) ownsTarget(id target.ID) bool {
	b := g.t.b
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.mu.pages[id]
	return known != nil && b.ownsLocked(g.t, known)
}

func (g *guard) ownsContext(id cdp.BrowserContextID) bool {
	b := g.t.b
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.mu.profiles[id]
	return id == "" || id == g.t.c.id || own != nil && own.owner == g.t.id && !own.left
}

// ownsLocked reports whether a target is the lease's: in a context that the holder made, or in the
// context of its page unless another tab is there and the target is that tab or was opened from it.
func (b *browser) ownsLocked(t *tab, known *listed) bool {
	if known.left || known.internal {
		return false
	}
	if known.context != t.c.id {
		own := b.mu.profiles[known.context]
		return own != nil && own.owner == t.id && !own.left
	}
	if known.tab != nil {
		return known.tab == t
	}
	root := b.mu.pages[known.root]
	return known.root == t.id || root == nil || root.tab == nil || root.tab == t
}

// ownsInfoLocked is ownsLocked for a target that may not be on the books yet.
func (b *browser) ownsInfoLocked(t *tab, info *target.Info) bool {
	known := b.mu.pages[info.TargetID]
	if known == nil {
		known = &listed{
			root:     b.rootLocked(info),
			context:  info.BrowserContextID,
			internal: internal(info.Type),
		}
	}
	return b.ownsLocked(t, known)
}

// internal reports whether a type of target is the browser's own: the browser itself, its windows,
// and the pages of its user interface, which may do more than others.
func internal(
	kind string,
) bool {
	return kind == "browser" || kind == "browser_ui" || kind == "tab"
}

// onlyOwnTargets cuts an answer down to targets of the lease.
func (g *guard) onlyOwnTargets(msg *cdproto.Message) {
	cut(msg, "targetInfos", func(value jsonv2.Value) bool {
		info := new(target.Info)
		if decode(value, info) != nil {
			return false
		}
		b := g.t.b
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.ownsInfoLocked(g.t, info)
	})
}

// onlyOwnContexts cuts an answer down to contexts of the lease.
func (g *guard) onlyOwnContexts(msg *cdproto.Message) {
	cut(msg, "browserContextIds", func(value jsonv2.Value) bool {
		var id cdp.BrowserContextID
		return decode(value, &id) == nil && id != "" && g.ownsContext(id)
	})
}

// cut leaves of an answer only one list, and of that only what keep keeps.
func cut(msg *cdproto.Message, name string, keep func(jsonv2.Value) bool) {
	if msg.Error != nil {
		return
	}
	var listed map[string]jsonv2.Value
	var all []jsonv2.Value
	kept := []jsonv2.Value{}
	if decode(msg.Result, &listed) == nil && decode(listed[name], &all) == nil {
		for _, value := range all {
			if keep(value) {
				kept = append(kept, value)
			}
		}
	}
	msg.Result = encode(name, map[string][]jsonv2.Value{name: kept})
}

func (g *guard) noteWindow(msg *cdproto.Message) {
	var found struct {
		WindowID int64 `json:"windowId"`
	}
	if msg.Error == nil && decode(msg.Result, &found) == nil {
		g.mu.Lock()
		g.mu.windows[found.WindowID] = true
		g.mu.Unlock()
	}
}

// tells reports whether a holder may have an event of one of his sessions, and notes what the event
// says of sessions. It runs on the pump.
func (g *guard) tells(msg *cdproto.Message) bool {
	if msg.Method.Domain() != "Target" {
		return true
	}
	switch msg.Method {
	case cdproto.EventTargetTargetCreated, cdproto.EventTargetTargetInfoChanged:
		id, own := g.tellsOf(msg)
		if own && msg.Method == cdproto.EventTargetTargetCreated {
			g.mu.Lock()
			g.mu.told[id] = true
			g.mu.Unlock()
		}
		return own
	case cdproto.EventTargetTargetDestroyed, cdproto.EventTargetTargetCrashed:
		var ends struct {
			TargetID target.ID `json:"targetId"`
		}
		if decode(msg.Params, &ends) != nil {
			return g.t.b.WholeBrowser
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		told := g.mu.told[ends.TargetID]
		if msg.Method == cdproto.EventTargetTargetDestroyed {
			delete(g.mu.told, ends.TargetID)
		}
		return told || g.t.b.WholeBrowser
	case cdproto.EventTargetAttachedToTarget, cdproto.EventTargetDetachedFromTarget:
		var child struct {
			SessionID target.SessionID `json:"sessionId"`
		}
		if msg.SessionID != "" && decode(msg.Params, &child) == nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if msg.Method == cdproto.EventTargetAttachedToTarget {
				g.mu.children[child.SessionID] = true
			} else {
				delete(g.mu.children, child.SessionID)
			}
		}
	}
	return true
}

// tellsOf says which target an event is about, and whether the holder may know of it. The id stands
// in front, so that an event whose address has megabytes is decoded only where the target is not on
// the books yet.
func (g *guard) tellsOf(msg *cdproto.Message) (target.ID, bool) {
	b := g.t.b
	const begin = `{"targetInfo":{"targetId":"`
	if rest, ok := bytes.CutPrefix(msg.Params, []byte(begin)); ok {
		if id, _, ok := bytes.Cut(rest, []byte(`"`)); ok {
			b.mu.Lock()
			known := b.mu.pages[target.ID(id)]
			own := b.WholeBrowser || known != nil && b.ownsLocked(g.t, known)
			b.mu.Unlock()
			if known != nil || own {
				return target.ID(id), own
			}
		}
	}
	var event struct {
		TargetInfo *target.Info `json:"targetInfo"`
	}
	if decode(msg.Params, &event) != nil || event.TargetInfo == nil {
		return "", b.WholeBrowser
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return event.TargetInfo.TargetID, b.WholeBrowser || b.ownsInfoLocked(g.t, event.TargetInfo)
}

// parse reads the parameters of a command. Names that come twice are refused: the browser might
// read the other one.
func parse(encoded jsonv2.Value) (map[string]jsonv2.Value, error) {
	params := make(map[string]jsonv2.Value)
	if len(encoded) == 0 {
		return params, nil
	}
	if err := decode(encoded, &params); err != nil {
		return nil, fmt.Errorf("its parameters cannot be read: %w", err)
	}
	if params == nil {
		params = make(map[string]jsonv2.Value)
	}
	return params, nil
}

// text reads a parameter that is a string, and says whether it is there.
func text(params map[string]jsonv2.Value, name string) (string, bool, error) {
	value, named := params[name]
	if !named {
		return "", false, nil
	}
	var text string
	if err := decode(value, &text); err != nil || bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		return "", true, fmt.Errorf("%s is %.64s, and has to be a string", name, value)
	}
	return text, true, nil
}
