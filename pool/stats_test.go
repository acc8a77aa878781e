package pool

import (
	"reflect"
	"slices"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

// Every reason of a close has its count from the start, and together they are all closes.
func TestEveryCloseIsCountedByItsReason(t *testing.T) {
	var c Counters
	var closes closesByReason
	for reason := core.Eviction; reason < core.PoolClosed; reason++ {
		e := core.Effect{Kind: core.CloseTab, Reason: reason}
		c.count(&e)
		closes.count(&e)
	}
	sum := uint64(0)
	for _, n := range closes.byReason() {
		sum += n
	}
	none := new(closesByReason).byReason()
	_, named := none["eviction"]
	if sum != c.Closes || len(none) != int(c.Closes) || !named || none["eviction"] != 0 {
		t.Errorf("%d closes, %d by reason; before any, %v", c.Closes, sum, none)
	}
}

// Each effect counts in one counter and in no other. A close also counts in Closes, and a grant in
// Grants.
func TestEveryCounterCountsItsEffects(t *testing.T) {
	is := func(kind core.EffectKind) core.Effect { return core.Effect{Kind: kind} }
	closed := func(reason core.Reason) core.Effect {
		return core.Effect{Kind: core.CloseTab, Reason: reason}
	}
	granted := func(how core.How) core.Effect { return core.Effect{Kind: core.Grant, How: how} }
	effects := map[string][]core.Effect{
		"Reuses":        {granted(core.Warm)},
		"Adoptions":     {granted(core.Adopted)},
		"InPrimary":     {granted(core.InPrimary)},
		"Reassignments": {granted(core.Reassigned)},
		"Refusals":      {is(core.Refuse)},
		"Opens":         {is(core.OpenTab)},
		"OpenFailures":  {closed(core.OpenFailure), closed(core.OpenTimeout)},
		"Evictions":     {closed(core.Eviction)},
		"CloseRetries":  {is(core.CloseAgain), is(core.CloseContext)},
		"Kills":         {is(core.KillTab)},
		"Expired":       {{Kind: core.EndLease, Reason: core.LeaseExpired}},
		"Crashes":       {closed(core.Crash)},
		"TooLarge":      {closed(core.Memory)},
		"BrowserStarts": {is(core.Launch)},
		"Probes":        {is(core.ProbeTab)},
		"Rescues":       {is(core.RescueTab)},
		"Resets":        {is(core.ResetTab)},
		"Checks":        {is(core.CheckBrowser)},
		"Retirements": {closed(core.MaxUses), closed(core.MaxAge), closed(core.IdleSweep),
			closed(core.Contraction), closed(core.Drain)},
		// These count no more than the kind does, or nothing.
		"": {closed(core.Discard), closed(core.Disposal), {Kind: core.RescueTab, Halt: true},
			{Kind: core.CloseContext, Reason: core.OrphanRoom},
			{Kind: core.EndLease, Reason: core.PageCrashed}, is(core.Ping), is(core.FreezeTab)},
	}
	of := reflect.TypeFor[Counters]()
	counted := func(c Counters, name string) (n uint64) {
		f := reflect.ValueOf(c).FieldByName(name)
		if f.Kind() != reflect.Struct {
			return f.Uint()
		}
		for i := range f.NumField() {
			n += f.Field(i).Uint()
		}
		return n
	}
	for name, list := range effects {
		for _, e := range list {
			var c Counters
			c.count(&e)
			for i := range of.NumField() {
				want := uint64(0)
				switch field := of.Field(i).Name; {
				case field == name, field == "Grants" && e.Kind == core.Grant,
					field == "Closes" && e.Kind == core.CloseTab:
					want = 1
				}
				if n := counted(c, of.Field(i).Name); n != want {
					t.Errorf("%+v counts %d of %s, want %d", e, n, of.Field(i).Name, want)
				}
			}
		}
	}
	others := []string{"Grants", "Closes", "Lost", "PagesClosed", "CheckFailures"}
	for i := range of.NumField() {
		name := of.Field(i).Name
		if _, counts := effects[name]; !counts && !slices.Contains(others, name) {
			t.Errorf("nothing here is counted by %s", name)
		}
	}
}

func TestEveryGrantIsCountedByWhereItsTabCameFrom(t *testing.T) {
	isOne := func(how core.How) (is bool) {
		defer func() { _ = recover() }() // it has no word
		return how.String() != ""
	}
	ways := 0
	for how := core.How(1); isOne(how); how++ {
		var c Counters
		c.count(&core.Effect{Kind: core.Grant, How: how})
		if c.Grants != 1 || c.Reuses+c.Adoptions+c.InPrimary+c.Reassignments != 1 {
			t.Errorf("%v: %+v", how, c)
		}
		ways++
	}
	if ways < 4 {
		t.Errorf("%d ways to come by a tab", ways)
	}
}
