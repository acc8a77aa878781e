package trace

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// One line of text per event and effect, both ways. A line is a verb, its arguments in a fixed
// order, and options: flags and name=value. Ids are a letter and a number: r request, d disposal,
// w warm, t tab, c context, b browser. Keys are bare words or quoted strings.

// Names gives a key its handle and a handle its key.
type Names interface {
	Key(core.Affinity) string
	Handle(key string) core.Affinity
}

// sentence is what events and effects have in common as text.
type sentence struct {
	request    core.RequestID
	disposal   core.CallID
	warm       core.CallID
	recycle    core.CallID
	affinity   core.Affinity
	tab        core.TabID
	browser    core.BrowserID
	context    core.ContextID
	generation core.Generation
	operation  core.OperationID
	priority   int32
	how        core.How
	reason     core.Reason
	waits      core.Waits
	class      core.Class
	maxLease   time.Duration
	maxIdle    time.Duration
	jitter     time.Duration
	own        bool
	noWait     bool
	retain     bool
	wedged     bool
	force      bool
	kept       bool
	halt       bool
	suspect    bool
	work       core.EffectKind // that is given up
	sessions   bool
	checks     bool
	tooLarge   bool
	memory     int64
	left       core.Left
	navigation core.Navigation
}

// The words of traces, by the value that each stands for.
var (
	howWords    = wordsOf(core.How(core.Hows))
	reasonWords = wordsOf(core.Reason(core.Reasons))
	stateWords  = wordsOf(core.TabState(core.TabStates))
)

// wordsOf are the words of all values below n.
func wordsOf[T interface {
	~uint8
	fmt.Stringer
}](n T) []string {
	words := make([]string, n)
	for v := range n {
		words[v] = v.String()
	}
	return words
}

// workWords are the operations that can be given up, in the words of the effects that begin them.
var workWords = [core.EffectKinds]string{
	core.Launch: "launch", core.CloseBrowser: "close-browser", core.Ping: "ping",
	core.CheckBrowser: "check",
	core.OpenTab:      "open", core.ProbeTab: "probe", core.RescueTab: "rescue",
	core.ResetTab:   "reset",
	core.EndSession: "end-session", core.BeginSession: "begin-session", core.CloseTab: "close",
	core.KillTab: "kill",
}

var leftWords = [core.Lefts]string{core.SpoiledTab: "spoiled-tab",
	core.SpoiledContext: "spoiled-context"}

var navigationWords = [core.Navigations]string{core.Arrived: "arrived", core.Stuck: "stuck"}

// grammar is how one kind is written. Arguments are required, in order; options may be left out.
type grammar struct {
	verb    string
	args    []part
	options []part
}

func says(verb string, args ...part) grammar { return grammar{verb: verb, args: args} }

func (g grammar) with(options ...part) grammar {
	g.options = options
	return g
}

// events are the words of events. A word keeps its place, for histories are hashed by it.
var events = []struct {
	kind core.EventKind
	of   core.EffectKind
	grammar
}{
	{core.NoEvent, 0, says("look")},
	{
		core.Requested, 0, says("get", requestPart, keyPart).with(nestedPart, priorityPart, maxLeasePart,
			ownPart)},
	{core.Abandoned, 0, says("abandon", requestPart)},
	{core.Released, 0, says("release", requestPart)},
	{core.Discarded, 0, says("discard", requestPart).with(wedgedPart)},
	{core.Disposed, 0, says("dispose", disposalPart, keyPart).with(noWaitPart, retainPart)},
	{core.CallAbandoned, core.FinishDispose, says("abandon", disposalPart)},
	{core.SweepRequested, 0, says("evict-idle", idlePart)},
	{core.WarmRequested, 0, says("warm", warmPart)},
	{core.CallAbandoned, core.FinishWarm, says("abandon", warmPart)},
	{core.RecycleRequested, 0, says("recycle", recyclePart)},
	{core.CallAbandoned, core.FinishRecycle, says("abandon", recyclePart)},
	{core.CloseRequested, 0, says("close")},
	{core.CloseExpired, 0, says("close-expired")},
	{core.Done, core.Launch, says("browser ready", browserPart).with(checksPart)},
	{core.Failed, core.Launch, says("browser failed", browserPart)},
	{core.BrowserGone, 0, says("browser gone", browserPart)},
	{core.Done, core.Ping, says("browser answers", browserPart)},
	{core.Done, core.CheckBrowser, says("browser checked", browserPart).with(operationPart)},
	{core.Failed, core.CheckBrowser, says("browser check-failed", browserPart).with(operationPart)},
	{core.Done, core.OpenTab, says("opened", tabPart).with(sessionsPart, jitterPart)},
	{core.Failed, core.OpenTab, says("open-failed", tabPart)},
	{core.Done, core.ProbeTab, says("probed", tabPart).with(operationPart)},
	{core.Failed, core.ProbeTab, says("probe-failed", tabPart).with(operationPart)},
	{core.Done, core.RescueTab, says("rescued", tabPart).with(operationPart)},
	{core.Failed, core.RescueTab, says("rescue-failed", tabPart).with(operationPart)},
	{core.Done, core.ResetTab, says("was-reset", tabPart).with(operationPart)},
	{core.Failed, core.ResetTab, says("reset-failed", tabPart).with(operationPart)},
	{core.Done, core.FreezeTab, says("frozen", tabPart).with(operationPart)},
	{core.Failed, core.FreezeTab, says("freeze-failed", tabPart).with(operationPart)},
	{
		core.Done, core.EndSession, says("session-ended", tabPart).with(leftPart, navigationPart,
			operationPart)},
	{core.Failed, core.EndSession, says("session-end-failed", tabPart).with(operationPart)},
	{core.Done, core.BeginSession, says("session-begun", tabPart).with(operationPart)},
	{core.Failed, core.BeginSession, says("session-begin-failed", tabPart).with(operationPart)},
	{core.Done, core.CloseTab, says("closed", tabPart).with(keptPart)},
	{core.Failed, core.CloseTab, says("close-failed", tabPart)},
	{core.Done, core.KillTab, says("killed", tabPart)},
	{core.Failed, core.KillTab, says("kill-failed", tabPart)},
	{core.Crashed, 0, says("crashed", tabPart).with(tooLargePart)},
	{core.Done, core.CloseContext, says("context-closed", contextPart)},
	{core.Failed, core.CloseContext, says("context-close-failed", contextPart)},
	{core.Measured, 0, says("measured", memoryPart).with(ofTab, ofBrowser)},
	{core.RetireDue, 0, says("retire", tabPart)},
	{core.IdleDue, 0, says("idle-due", keyPart)},
	{core.FreezeDue, 0, says("freeze-due", tabPart)},
	{core.Expired, 0, says("expire", requestPart)},
	{core.Overdue, core.OpenTab, says("open-overdue", tabPart)},
	{core.Silent, core.OpenTab, says("open-silent", tabPart)},
	{core.Overdue, core.ProbeTab, says("probe-overdue", tabPart)},
	{core.Silent, core.ProbeTab, says("probe-silent", tabPart)},
	{core.Silent, core.RescueTab, says("rescue-silent", tabPart)},
	{core.Overdue, core.ResetTab, says("reset-overdue", tabPart)},
	{core.Silent, core.ResetTab, says("reset-silent", tabPart)},
	{core.Overdue, core.CloseTab, says("close-overdue", tabPart)},
	{core.Silent, core.CloseTab, says("close-silent", tabPart)},
	{core.Silent, core.KillTab, says("kill-silent", tabPart)},
	{core.Silent, core.CloseContext, says("context-silent", contextPart)},
	{core.Silent, core.Launch, says("browser launch-silent", browserPart)},
	{core.Silent, core.CloseBrowser, says("browser close-silent", browserPart)},
	{core.BrowserWorn, 0, says("browser worn", browserPart)},
	{core.CheckDue, 0, says("browser check-due", browserPart)},
	{core.Silent, core.CheckBrowser, says("browser check-silent", browserPart)},
	{core.BrowserStalled, 0, says("browser stalled", browserPart)},
	{core.Silent, core.Ping, says("browser silent", browserPart)},
	{core.DrainSilent, 0, says("browser drain-silent", browserPart)},
	{core.RetryDue, 0, says("retry")},
	{core.RelaunchDue, 0, says("relaunch")},
	{core.ContractDue, 0, says("contract")},
	{core.Failed, core.Ping, says("browser disconnected", browserPart)},
}

// wordOf is the place of an event's word among events.
var wordOf = func() (places [core.EventKinds][core.EffectKinds]uint8) {
	for i := range events {
		places[events[i].kind][events[i].of] = uint8(i)
	}
	return places
}()

// WordOf is a number for the word of an event, always the same; 0, where there is no such word.
func WordOf(e *core.Event) int { return int(wordOf[e.Kind][e.Of]) }

var effects = [core.EffectKinds]grammar{
	core.NoEffect: says("nothing"),
	core.Grant: says("grant", requestPart).
		with(append([]part{tabPart, howPart, ofKey, generationPart, inContext, ofBrowser},
			waitParts...)...),
	core.Refuse: says("refuse",
		requestPart).with(append([]part{reasonPart, ofKey}, waitParts...)...),
	core.EndLease: grammar{verb: "", args: []part{leasePart, requestPart},
		options: []part{ofTab}},
	core.FinishDispose: says("disposed", disposalPart),
	core.FinishWarm:    says("warmed", warmPart).with(reasonPart),
	core.FinishRecycle: says("recycled", recyclePart).with(reasonPart),
	core.FinishClose:   says("pool-closed"),
	core.AnnounceWarm:  says("warm", keyPart).with(generationPart),
	core.AnnounceCold:  says("cold", keyPart).with(generationPart),
	core.Forget:        says("forget", keyPart),
	core.Launch:        says("launch", browserPart).with(operationPart),
	core.CloseBrowser:  says("close-browser", browserPart).with(forcePart, operationPart),
	core.Ping:          says("ping", browserPart).with(operationPart),
	core.CheckBrowser:  says("check", browserPart).with(operationPart),
	core.OpenTab:       says("open", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.ProbeTab: says("probe", tabPart).with(suspectPart, ofKey, inContext, ofBrowser,
		operationPart),
	core.RescueTab: says("rescue", tabPart).with(haltPart, ofKey, inContext, ofBrowser,
		operationPart),
	core.ResetTab:     says("reset", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.FreezeTab:    says("freeze", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.EndSession:   says("end-session", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.BeginSession: says("begin-session", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.CloseTab: says("close", tabPart).with(reasonPart, keptPart, ofKey, generationPart,
		inContext, ofBrowser, operationPart),
	core.CloseAgain: says("close-again", tabPart).with(keptPart, ofKey, inContext, ofBrowser,
		operationPart),
	core.KillTab: says("kill", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	core.CloseContext: says("close-context", contextPart).with(reasonPart, ofKey, ofBrowser,
		operationPart),
	core.GiveUp: says("give-up", workPart).with(haltPart, suspectPart, ofTab, inContext, ofBrowser),
}

// MaxKey is the longest affinity key, in bytes.
const MaxKey = 4096

// AppendEvent writes an event as text; ParseEvent is its inverse.
func AppendEvent(b []byte, e core.Event, names Names) []byte {
	s := sentence{
		request: e.Request, affinity: e.Affinity, tab: e.Tab, context: e.Context, browser: e.Browser,
		priority: e.Priority, class: e.Class, maxLease: e.MaxLease, maxIdle: e.MaxIdle, jitter: e.Jitter,
		own: e.Own, noWait: e.NoWait, retain: e.Retain, wedged: e.Wedged, kept: e.Kept,
		operation: e.Operation,
		sessions:  e.Sessions, checks: e.Checks, tooLarge: e.TooLarge, left: e.Left,
		navigation: e.Navigation, memory: e.Memory,
	}
	switch {
	case e.Kind == core.WarmRequested || e.Of == core.FinishWarm:
		s.warm = e.Call
	case e.Kind == core.RecycleRequested || e.Of == core.FinishRecycle:
		s.recycle = e.Call
	default:
		s.disposal = e.Call
	}
	return events[WordOf(&e)].write(b, &s, names)
}

// ErrUnknownVerb says that a line begins with no verb that there is.
var ErrUnknownVerb = errors.New("unknown verb")

// ParseEvent reads an event. The error says what was expected.
func ParseEvent(words []Word, names Names) (core.Event, error) {
	word, s, err := parse(len(events), eventAt, words, names, false)
	if err != nil {
		return core.Event{}, err
	}
	return core.Event{
		Kind: events[word].kind, Of: events[word].of, Request: s.request,
		Call: s.disposal + s.warm + s.recycle, Affinity: s.affinity,
		Tab: s.tab, Context: s.context, Browser: s.browser, Priority: s.priority, Class: s.class,
		MaxLease: s.maxLease, MaxIdle: s.maxIdle, Jitter: s.jitter,
		Own: s.own, NoWait: s.noWait, Retain: s.retain, Wedged: s.wedged, Kept: s.kept,
		Operation: s.operation,
		Sessions:  s.sessions, Checks: s.checks, TooLarge: s.tooLarge, Left: s.left,
		Navigation: s.navigation, Memory: s.memory,
	}, nil
}

// AppendEffect writes an effect as text.
func AppendEffect(b []byte, e core.Effect, names Names) []byte {
	s := sentence{
		request: e.Request, affinity: e.Affinity, tab: e.Tab, browser: e.Browser, context: e.Context,
		generation: e.Generation, operation: e.Operation, how: e.How, reason: e.Reason,
		waits: e.Waits, force: e.Force, kept: e.Kept, halt: e.Halt, suspect: e.Suspect, work: e.Of,
	}
	switch e.Kind {
	case core.FinishWarm:
		s.warm = e.Call
	case core.FinishRecycle:
		s.recycle = e.Call
	default:
		s.disposal = e.Call
	}
	return effects[e.Kind].write(b, &s, names)
}

// parseEffect reads an effect, of which the end may be cut off. The error says what was expected.
func parseEffect(words []Word, names Names, cut bool) (core.Effect, error) {
	kind, s, err := parse(len(effects), effectAt, words, names, cut)
	if err != nil {
		return core.Effect{}, err
	}
	return core.Effect{
		Kind: core.EffectKind(kind), Request: s.request, Call: s.disposal + s.warm + s.recycle,
		Affinity: s.affinity,
		Tab:      s.tab, Browser: s.browser, Context: s.context, Generation: s.generation,
		Operation: s.operation, How: s.how, Reason: s.reason, Waits: s.waits, Force: s.force,
		Kept: s.kept, Halt: s.halt, Suspect: s.suspect, Of: s.work,
	}, nil
}

// Matches says whether an effect is what an expectation asks for: the same kind, and the same in
// every field that the expectation names.
func Matches(e, want *core.Effect) bool {
	same := func(got, want uint64) bool { return want == 0 || got == want }
	return e.Kind == want.Kind &&
		same(uint64(e.Operation), uint64(want.Operation)) &&
		same(uint64(e.Request), uint64(want.Request)) &&
		same(uint64(e.Call), uint64(want.Call)) && same(uint64(e.Generation), uint64(want.Generation)) &&
		same(uint64(e.Waits.Admission), uint64(want.Waits.Admission)) &&
		same(uint64(e.Waits.Tab), uint64(want.Waits.Tab)) &&
		same(uint64(e.Waits.Startup), uint64(want.Waits.Startup)) &&
		same(uint64(e.Waits.Probe), uint64(want.Waits.Probe)) &&
		same(uint64(e.Affinity), uint64(want.Affinity)) && same(uint64(e.Tab), uint64(want.Tab)) &&
		same(uint64(e.Context), uint64(want.Context)) && same(uint64(e.Browser), uint64(want.Browser)) &&
		same(uint64(e.How), uint64(want.How)) && same(uint64(e.Reason), uint64(want.Reason)) &&
		same(uint64(e.Of), uint64(want.Of)) && (e.Suspect || !want.Suspect) &&
		(e.Force || !want.Force) && (e.Kept || !want.Kept) && (e.Halt || !want.Halt)
}

func (g *grammar) write(b []byte, s *sentence, names Names) []byte {
	b = append(b, g.verb...)
	for _, parts := range [][]part{g.args, g.options} {
		for _, p := range parts {
			if text := p.write(s, names); text != "" {
				if len(b) > 0 && b[len(b)-1] != ' ' {
					b = append(b, ' ')
				}
				b = append(b, text...)
			}
		}
	}
	return b
}

// ParsePattern reads an effect of which the end may be missing: "close", "close t1", "grant r1".
func ParsePattern(words []Word, names Names) (core.Effect, error) {
	return parseEffect(words, names, true)
}

func eventAt(i int) *grammar { return &events[i].grammar }

func effectAt(i int) *grammar { return &effects[i] }

func parse(n int, kinds func(int) *grammar, words []Word, names Names, cut bool) (int, sentence,
	error) {
	if len(words) == 0 {
		return 0, sentence{}, fmt.Errorf("nothing after the time: want what happened, such as get r1 KEY")
	}
	var best error
	for kind := range n {
		g := kinds(kind)
		rest, ok := g.cutVerb(words)
		if !ok {
			continue
		}
		s, err := g.read(rest, names, cut)
		if err == nil {
			return kind, s, nil
		}
		if best == nil || g.verb != "" {
			best = err
		}
	}
	if best == nil {
		best = fmt.Errorf("%w %s; the verbs are %s", ErrUnknownVerb, words[0].short(), verbs(n, kinds))
	}
	return 0, sentence{}, best
}

func (g *grammar) cutVerb(words []Word) ([]Word, bool) {
	if g.verb == "" {
		return words, strings.HasPrefix(words[0].Text, "lease-")
	}
	for i, v := range strings.Fields(g.verb) {
		if i >= len(words) || words[i].Quoted || words[i].Text != v {
			return nil, false
		}
	}
	return words[len(strings.Fields(g.verb)):], true
}

func (g *grammar) read(words []Word, names Names, cut bool) (sentence, error) {
	var s sentence
	for _, p := range g.args {
		if len(words) == 0 && cut {
			break
		}
		if len(words) == 0 {
			return s, fmt.Errorf("%s: want %s", g.verb, p.name)
		}
		if !p.read(&s, words[0], names) {
			return s, fmt.Errorf("%s: want %s, got %s", g.verb, p.name, words[0].short())
		}
		words = words[1:]
	}
	used := make([]bool, len(g.options))
next:
	for _, w := range words {
		for i, p := range g.options {
			if !used[i] && p.read(&s, w, names) {
				used[i] = true
				continue next
			}
		}
		name, _, _ := strings.Cut(w.Text, "=")
		for _, p := range g.options {
			if strings.HasPrefix(p.name, name+"=") {
				return s, fmt.Errorf("%s: %s comes twice, or its value is of another kind or out of range; "+
					"want such as %s",
					g.verb, w.short(), p.name)
			}
		}
		return s, fmt.Errorf("%s: unexpected %s; %s", g.verb, w.short(), g.wants())
	}
	return s, nil
}

func (g *grammar) wants() string {
	if len(g.options) == 0 {
		return "nothing more may follow"
	}
	names := make([]string, len(g.options))
	for i, p := range g.options {
		names[i] = p.name
	}
	return "what may follow is " + strings.Join(names, ", ")
}

func verbs(n int, kinds func(int) *grammar) string {
	var all []string
	for i := range n {
		if g := kinds(i); g.verb != "" && !slices.Contains(all, g.verb) {
			all = append(all, g.verb)
		}
	}
	return strings.Join(all, ", ")
}
