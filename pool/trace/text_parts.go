package trace

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// A part is one argument or option: how it is written, and how it is read. Written as "" it is left
// out; read returns false where a word is not its own.
type part struct {
	name  string // what an error calls it
	write func(*sentence, Names) string
	read  func(*sentence, Word, Names) bool
}

func id[T ~uint32 | ~uint64](name, prefix string, field func(*sentence) *T) part {
	return part{name,
		func(s *sentence, _ Names) string {
			if *field(s) == 0 {
				return ""
			}
			return prefix + strconv.FormatUint(uint64(*field(s)), 10)
		},
		func(s *sentence, w Word, _ Names) bool {
			n, ok := ParseID(w, prefix)
			if !ok || uint64(T(n)) != n {
				return false
			}
			*field(s) = T(n)
			return true
		}}
}

func flag(name string, field func(*sentence) *bool) part {
	return part{name,
		func(s *sentence, _ Names) string {
			if *field(s) {
				return name
			}
			return ""
		},
		func(s *sentence, w Word, _ Names) bool {
			ok := w.Text == name && !w.Quoted
			*field(s) = *field(s) || ok
			return ok
		}}
}

// word is a part that is one of a list of words; the zero value is none of them.
func word[T ~uint8](name, prefix string, words []string, field func(*sentence) *T) part {
	return part{name,
		func(s *sentence, _ Names) string {
			if words[*field(s)] == "" {
				return ""
			}
			return prefix + words[*field(s)]
		},
		func(s *sentence, w Word, _ Names) bool {
			text, ok := strings.CutPrefix(w.Text, prefix)
			i := slices.Index(words, text)
			if !ok || w.Quoted || i <= 0 {
				return false
			}
			*field(s) = T(i)
			return true
		}}
}

func wait(name string, field func(*sentence) *core.Time) part {
	return part{name,
		func(s *sentence, _ Names) string {
			if *field(s) == 0 {
				return ""
			}
			return name + "=" + time.Duration(*field(s)).String()
		},
		func(s *sentence, w Word, _ Names) bool {
			text, ok := strings.CutPrefix(w.Text, name+"=")
			d, err := time.ParseDuration(text)
			if !ok || w.Quoted || err != nil || d <= 0 {
				return false
			}
			*field(s) = core.Time(d)
			return true
		}}
}

var (
	requestPart = id("a request such as r1", "r", func(s *sentence) *core.RequestID {
		return &s.request
	})
	disposalPart = id("a disposal such as d1", "d", func(s *sentence) *core.CallID {
		return &s.disposal
	})
	warmPart = id("a warm call such as w1", "w", func(s *sentence) *core.CallID {
		return &s.warm
	})
	recyclePart = id("a recycle call such as y1", "y", func(s *sentence) *core.CallID {
		return &s.recycle
	})
	contextPart = id("a context such as c1", "c", func(s *sentence) *core.ContextID {
		return &s.context
	})
	tabPart     = id("a tab such as t1", "t", func(s *sentence) *core.TabID { return &s.tab })
	browserPart = id("a browser such as b1", "b", func(s *sentence) *core.BrowserID {
		return &s.browser
	})
	ofTab     = id("tab=t1", "tab=t", func(s *sentence) *core.TabID { return &s.tab })
	inContext = id("context=c1", "context=c", func(s *sentence) *core.ContextID {
		return &s.context
	})
	ofBrowser = id("browser=b1", "browser=b", func(s *sentence) *core.BrowserID {
		return &s.browser
	})
	generationPart = id("generation=1", "generation=", func(s *sentence) *core.Generation {
		return &s.generation
	})
	operationPart = id("op=1", "op=", func(s *sentence) *core.OperationID { return &s.operation })

	keyPart = part{"an affinity key of 1 to 4096 bytes",
		func(s *sentence, names Names) string {
			if s.affinity == 0 {
				return ""
			}
			return QuoteKey(names.Key(s.affinity))
		},
		func(s *sentence, w Word, names Names) bool {
			if w.Text == "" || len(w.Text) > MaxKey {
				return false
			}
			s.affinity = names.Handle(w.Text)
			return true
		}}
	ofKey = part{"affinity=KEY",
		func(s *sentence, names Names) string {
			if s.affinity == 0 {
				return ""
			}
			return "affinity=" + QuoteKey(names.Key(s.affinity))
		},
		func(s *sentence, w Word, names Names) bool {
			text, ok := strings.CutPrefix(w.Text, "affinity=")
			if !ok || text == "" {
				return false
			}
			s.affinity = names.Handle(text)
			return true
		}}
	priorityPart = part{"priority=1",
		func(s *sentence, _ Names) string {
			if s.priority == 0 {
				return ""
			}
			return "priority=" + strconv.Itoa(int(s.priority))
		},
		func(s *sentence, w Word, _ Names) bool {
			text, ok := strings.CutPrefix(w.Text, "priority=")
			n, err := strconv.ParseInt(text, 10, 32)
			if !ok || w.Quoted || err != nil || n == 0 {
				return false
			}
			s.priority = int32(n)
			return true
		}}

	maxLeasePart = part{"max-lease=30s",
		func(s *sentence, _ Names) string {
			switch {
			case s.maxLease == 0:
				return ""
			case s.maxLease < 0:
				return "max-lease=off"
			}
			return "max-lease=" + s.maxLease.String()
		},
		func(s *sentence, w Word, _ Names) bool {
			text, ok := strings.CutPrefix(w.Text, "max-lease=")
			if ok && text == "off" {
				s.maxLease = core.Off
				return !w.Quoted
			}
			d, err := time.ParseDuration(text)
			s.maxLease = d
			return ok && !w.Quoted && err == nil && d > 0
		}}

	nestedPart = word("nested", "", []string{"", "nested"}, func(s *sentence) *core.Class {
		return &s.class
	})
	howPart = word("adopted, warm, in-primary or reassigned", "", howWords,
		func(s *sentence) *core.How { return &s.how })
	reasonPart = word("reason=...", "reason=", reasonWords, func(s *sentence) *core.Reason {
		return &s.reason
	})
	leasePart = word("lease-...", "lease-", reasonWords, func(s *sentence) *core.Reason {
		return &s.reason
	})
	leftPart = word("spoiled-tab or spoiled-context", "", leftWords[:],
		func(s *sentence) *core.Left { return &s.left })
	navigationPart = word("arrived or stuck", "", navigationWords[:],
		func(s *sentence) *core.Navigation { return &s.navigation })
	sessionsPart = flag("sessions", func(s *sentence) *bool { return &s.sessions })
	tooLargePart = flag("too-large", func(s *sentence) *bool { return &s.tooLarge })
	checksPart   = flag("checks", func(s *sentence) *bool { return &s.checks })
	retainPart   = flag("retain", func(s *sentence) *bool { return &s.retain })
	keptPart     = flag("kept", func(s *sentence) *bool { return &s.kept })
	ownPart      = flag("own", func(s *sentence) *bool { return &s.own })
	noWaitPart   = flag("nowait", func(s *sentence) *bool { return &s.noWait })
	wedgedPart   = flag("wedged", func(s *sentence) *bool { return &s.wedged })
	suspectPart  = flag("suspect", func(s *sentence) *bool { return &s.suspect })
	workPart     = word("an operation such as probe", "", workWords[:],
		func(s *sentence) *core.EffectKind { return &s.work })
	haltPart  = flag("halt", func(s *sentence) *bool { return &s.halt })
	forcePart = flag("force", func(s *sentence) *bool { return &s.force })

	idlePart = part{"a duration such as 30s",
		func(s *sentence, _ Names) string { return s.maxIdle.String() },
		func(s *sentence, w Word, _ Names) bool {
			d, err := time.ParseDuration(w.Text)
			s.maxIdle = d
			return !w.Quoted && err == nil && d >= 0
		}}
	memoryPart = part{"a number of bytes",
		func(s *sentence, _ Names) string { return strconv.FormatInt(s.memory, 10) },
		func(s *sentence, w Word, _ Names) bool {
			n, err := strconv.ParseInt(w.Text, 10, 64)
			s.memory = n
			return !w.Quoted && err == nil && n >= 0
		}}
	jitterPart = wait("jitter", func(s *sentence) *core.Time { return (*core.Time)(&s.jitter) })

	waitParts = []part{
		wait("wait-admission", func(s *sentence) *core.Time { return &s.waits.Admission }),
		wait("wait-tab", func(s *sentence) *core.Time { return &s.waits.Tab }),
		wait("wait-startup", func(s *sentence) *core.Time { return &s.waits.Startup }),
		wait("wait-probe", func(s *sentence) *core.Time { return &s.waits.Probe }),
	}
)
