package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// One line of text per event and effect, both ways. A line is a verb, its arguments in a fixed
// order, and options: flags and name=value. Ids are a letter and a number: r request, d disposal,
// w warm, t tab, c context, b browser. Keys are bare words or quoted strings.

// Names gives a key its handle and a handle its key.
type Names interface {
	Key(Affinity) string
	Handle(key string) Affinity
}

// sentence is what events and effects have in common as text.
type sentence struct {
	request    RequestID
	disposal   CallID
	warm       CallID
	recycle    CallID
	affinity   Affinity
	tab        TabID
	browser    BrowserID
	context    ContextID
	generation Generation
	operation  Operation
	priority   int32
	how        How
	reason     Reason
	waits      Waits
	class      Class
	maxLease   time.Duration
	maxIdle    time.Duration
	jitter     time.Duration
	noWait     bool
	retain     bool
	wedged     bool
	force      bool
	kept       bool
	halt       bool
	sessions   bool
	left       Left
	navigation Navigation
}

var howWords = [...]string{Adopted: "adopted", Warm: "warm", InPrimary: "in-primary", Reassigned: "reassigned"}

var reasonWords = [reasons]string{
	Eviction: "eviction", Disposal: "disposal", Discard: "discard", Wedge: "wedge",
	Expiry: "expiry", Crash: "crash", OpenFailure: "open-failed", OpenTimeout: "open-timeout",
	IdleSweep: "idle-sweep", MaxUses: "max-uses", MaxAge: "max-age",
	Contraction: "contraction", Drain: "drain", OrphanRoom: "orphan-room", Unwanted: "unwanted", Spoiled: "spoiled",
	PoolClosed: "closed", RequestAbandoned: "abandoned", QueueFull: "queue-full", BrowserUnavailable: "browser-unavailable",
	LeaseExpired: "expired", PageCrashed: "crashed", BrowserLost: "lost",
}

func (r Reason) String() string { return reasonWords[r] }

func (h How) String() string { return howWords[h] }

var leftWords = [lefts]string{SpoiledTab: "spoiled-tab", SpoiledContext: "spoiled-context"}

var navigationWords = [navigations]string{Arrived: "arrived", Stuck: "stuck"}

var stateWords = [tabStates]string{
	Opening: "opening", Standby: "standby", Idle: "idle", Probing: "probing", Rescuing: "rescuing", Resetting: "resetting",
	Leased: "leased", Closing: "closing", Lost: "lost",
}

func (t TabState) String() string { return stateWords[t] }

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

var events = [eventKinds]grammar{
	NoEvent:            says("look"),
	Requested:          says("get", requestPart, keyPart).with(nestedPart, priorityPart, maxLeasePart),
	Abandoned:          says("abandon", requestPart),
	Released:           says("release", requestPart),
	Discarded:          says("discard", requestPart).with(wedgedPart),
	Disposed:           says("dispose", disposalPart, keyPart).with(noWaitPart, retainPart),
	DisposeAbandoned:   says("abandon", disposalPart),
	SweepRequested:     says("evict-idle", idlePart),
	WarmRequested:      says("warm", warmPart),
	WarmAbandoned:      says("abandon", warmPart),
	RecycleRequested:   says("recycle", recyclePart),
	RecycleAbandoned:   says("abandon", recyclePart),
	CloseRequested:     says("close"),
	CloseExpired:       says("close-expired"),
	BrowserReady:       says("browser ready", browserPart),
	BrowserFailed:      says("browser failed", browserPart),
	BrowserGone:        says("browser gone", browserPart),
	BrowserAnswered:    says("browser answers", browserPart),
	LaunchSilent:       says("browser launch-silent", browserPart),
	BrowserCloseSilent: says("browser close-silent", browserPart),
	BrowserWorn:        says("browser worn", browserPart),
	BrowserStalled:     says("browser stalled", browserPart),
	BrowserSilent:      says("browser silent", browserPart),
	DrainSilent:        says("browser drain-silent", browserPart),
	Opened:             says("opened", tabPart).with(sessionsPart, jitterPart),
	OpenFailed:         says("open-failed", tabPart),
	Probed:             says("probed", tabPart).with(operationPart),
	ProbeFailed:        says("probe-failed", tabPart).with(operationPart),
	Rescued:            says("rescued", tabPart).with(operationPart),
	RescueFailed:       says("rescue-failed", tabPart).with(operationPart),
	WasReset:           says("was-reset", tabPart).with(operationPart),
	ResetFailed:        says("reset-failed", tabPart).with(operationPart),
	SessionEnded:       says("session-ended", tabPart).with(leftPart, navigationPart, operationPart),
	SessionEndFailed:   says("session-end-failed", tabPart).with(operationPart),
	SessionBegun:       says("session-begun", tabPart).with(operationPart),
	SessionBeginFailed: says("session-begin-failed", tabPart).with(operationPart),
	Closed:             says("closed", tabPart).with(keptPart),
	CloseFailed:        says("close-failed", tabPart),
	Killed:             says("killed", tabPart),
	KillFailed:         says("kill-failed", tabPart),
	Crashed:            says("crashed", tabPart),
	ContextClosed:      says("context-closed", contextPart),
	ContextCloseFailed: says("context-close-failed", contextPart),
	RetireDue:          says("retire", tabPart),
	Expired:            says("expire", requestPart),
	OpenOverdue:        says("open-overdue", tabPart),
	OpenSilent:         says("open-silent", tabPart),
	ProbeOverdue:       says("probe-overdue", tabPart),
	ProbeSilent:        says("probe-silent", tabPart),
	RescueSilent:       says("rescue-silent", tabPart),
	ResetOverdue:       says("reset-overdue", tabPart),
	ResetSilent:        says("reset-silent", tabPart),
	CloseOverdue:       says("close-overdue", tabPart),
	CloseSilent:        says("close-silent", tabPart),
	KillSilent:         says("kill-silent", tabPart),
	ContextSilent:      says("context-silent", contextPart),
	RetryDue:           says("retry"),
	RelaunchDue:        says("relaunch"),
	ContractDue:        says("contract"),
}

var effects = [effectKinds]grammar{
	NoEffect: says("nothing"),
	Grant: says("grant", requestPart).
		with(append([]part{tabPart, howPart, ofKey, generationPart, inContext, ofBrowser}, waitParts...)...),
	Refuse:        says("refuse", requestPart).with(append([]part{reasonPart, ofKey}, waitParts...)...),
	EndLease:      grammar{verb: "", args: []part{leasePart, requestPart}, options: []part{ofTab}},
	FinishDispose: says("disposed", disposalPart),
	FinishWarm:    says("warmed", warmPart).with(reasonPart),
	FinishRecycle: says("recycled", recyclePart).with(reasonPart),
	FinishClose:   says("pool-closed"),
	AnnounceWarm:  says("warm", keyPart).with(generationPart),
	AnnounceCold:  says("cold", keyPart).with(generationPart),
	Forget:        says("forget", keyPart),
	Launch:        says("launch", browserPart).with(operationPart),
	CloseBrowser:  says("close-browser", browserPart).with(forcePart, operationPart),
	Ping:          says("ping", browserPart).with(operationPart),
	OpenTab:       says("open", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	ProbeTab:      says("probe", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	RescueTab:     says("rescue", tabPart).with(haltPart, ofKey, inContext, ofBrowser, operationPart),
	ResetTab:      says("reset", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	EndSession:    says("end-session", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	BeginSession:  says("begin-session", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	CloseTab:      says("close", tabPart).with(reasonPart, keptPart, ofKey, generationPart, inContext, ofBrowser, operationPart),
	CloseAgain:    says("close-again", tabPart).with(keptPart, ofKey, inContext, ofBrowser, operationPart),
	KillTab:       says("kill", tabPart).with(ofKey, inContext, ofBrowser, operationPart),
	CloseContext:  says("close-context", contextPart).with(reasonPart, ofKey, ofBrowser, operationPart),
}

// MaxKey is the longest affinity key, in bytes.
const MaxKey = 4096

// AppendEvent writes an event as text; ParseEvent is its inverse.
func AppendEvent(b []byte, e Event, names Names) []byte {
	s := sentence{
		request: e.Request, affinity: e.Affinity, tab: e.Tab, context: e.Context, browser: e.Browser,
		priority: e.Priority, class: e.Class, maxLease: e.MaxLease, maxIdle: e.MaxIdle, jitter: e.Jitter,
		noWait: e.NoWait, retain: e.Retain, wedged: e.Wedged, kept: e.Kept, operation: e.Operation,
		sessions: e.Sessions, left: e.Left, navigation: e.Navigation,
	}
	switch e.Kind {
	case WarmRequested, WarmAbandoned:
		s.warm = e.Call
	case RecycleRequested, RecycleAbandoned:
		s.recycle = e.Call
	default:
		s.disposal = e.Call
	}
	return events[e.Kind].write(b, &s, names)
}

// ParseEvent reads an event. The error says what was expected.
func ParseEvent(words []Word, names Names) (Event, error) {
	kind, s, err := parse(events[:], words, names, false)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Kind: EventKind(kind), Request: s.request, Call: s.disposal + s.warm + s.recycle, Affinity: s.affinity,
		Tab: s.tab, Context: s.context, Browser: s.browser, Priority: s.priority, Class: s.class,
		MaxLease: s.maxLease, MaxIdle: s.maxIdle, Jitter: s.jitter,
		NoWait: s.noWait, Retain: s.retain, Wedged: s.wedged, Kept: s.kept, Operation: s.operation,
		Sessions: s.sessions, Left: s.left, Navigation: s.navigation,
	}, nil
}

// AppendEffect writes an effect as text; ParseEffect is its inverse.
func AppendEffect(b []byte, e Effect, names Names) []byte {
	s := sentence{
		request: e.Request, affinity: e.Affinity, tab: e.Tab, browser: e.Browser, context: e.Context,
		generation: e.Generation, operation: e.Operation, how: e.How, reason: e.Reason,
		waits: e.Waits, force: e.Force, kept: e.Kept, halt: e.Halt,
	}
	switch e.Kind {
	case FinishWarm:
		s.warm = e.Call
	case FinishRecycle:
		s.recycle = e.Call
	default:
		s.disposal = e.Call
	}
	return effects[e.Kind].write(b, &s, names)
}

// ParseEffect reads an effect. The error says what was expected.
func ParseEffect(words []Word, names Names) (Effect, error) {
	return parseEffect(words, names, false)
}

func parseEffect(words []Word, names Names, cut bool) (Effect, error) {
	kind, s, err := parse(effects[:], words, names, cut)
	if err != nil {
		return Effect{}, err
	}
	return Effect{
		Kind: EffectKind(kind), Request: s.request, Call: s.disposal + s.warm + s.recycle, Affinity: s.affinity,
		Tab: s.tab, Browser: s.browser, Context: s.context, Generation: s.generation,
		Operation: s.operation, How: s.how, Reason: s.reason, Waits: s.waits, Force: s.force, Kept: s.kept, Halt: s.halt,
	}, nil
}

// Matches says whether an effect is what an expectation asks for: the same kind, and the same in
// every field that the expectation names.
func (e *Effect) Matches(want *Effect) bool {
	same := func(got, want uint64) bool { return want == 0 || got == want }
	return e.Kind == want.Kind &&
		same(uint64(e.Operation), uint64(want.Operation)) && same(uint64(e.Request), uint64(want.Request)) &&
		same(uint64(e.Call), uint64(want.Call)) && same(uint64(e.Generation), uint64(want.Generation)) &&
		same(uint64(e.Waits.Admission), uint64(want.Waits.Admission)) && same(uint64(e.Waits.Tab), uint64(want.Waits.Tab)) &&
		same(uint64(e.Waits.Startup), uint64(want.Waits.Startup)) && same(uint64(e.Waits.Probe), uint64(want.Waits.Probe)) &&
		same(uint64(e.Affinity), uint64(want.Affinity)) && same(uint64(e.Tab), uint64(want.Tab)) &&
		same(uint64(e.Context), uint64(want.Context)) && same(uint64(e.Browser), uint64(want.Browser)) &&
		same(uint64(e.How), uint64(want.How)) && same(uint64(e.Reason), uint64(want.Reason)) &&
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
func ParsePattern(words []Word, names Names) (Effect, error) {
	return parseEffect(words, names, true)
}

func parse(kinds []grammar, words []Word, names Names, cut bool) (int, sentence, error) {
	if len(words) == 0 {
		return 0, sentence{}, fmt.Errorf("nothing after the time: want what happened, such as get r1 KEY")
	}
	var best error
	for kind := range kinds {
		g := &kinds[kind]
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
		best = fmt.Errorf("unknown verb %s; the verbs are %s", words[0].short(), verbs(kinds))
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
				return s, fmt.Errorf("%s: %s comes twice, or its value is of another kind or out of range; want such as %s",
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

func verbs(kinds []grammar) string {
	var all []string
	for _, g := range kinds {
		if g.verb != "" && !slices.Contains(all, g.verb) {
			all = append(all, g.verb)
		}
	}
	return strings.Join(all, ", ")
}

// Verbs lists the verbs of events, for messages.
func Verbs() string { return verbs(events[:]) }
