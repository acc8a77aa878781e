package main

import (
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim"
)

// luckOf says in one paragraph whether a recorded run kept its promises by luck or by design: by
// design, where every run within so many deviations keeps them too.
func luckOf(x *sim.Exploration, deviations int) string {
	left := ""
	if x.Skipped > 0 {
		left = fmt.Sprintf(" (%d of them cannot happen in the simulated browser, and were left out)",
			x.Skipped)
	}
	record := fmt.Sprintf("The record has %s%s. ", prose.Count(x.Recorded, "event"), left)
	switch {
	case x.Violation != nil:
		others := 0
		for _, line := range x.Trace {
			if strings.HasPrefix(line, "* ") {
				others++
			}
		}
		return record + fmt.Sprintf("It was luck: with %s, marked * above, the same run breaks %s.",
			prose.Count(others, "other turn"), x.Violation.Property)
	case x.Complete:
		return record + fmt.Sprintf("It was design, as far as %s can tell: in every one of the %d "+
			"states that lie within so many other turns of the record (an answer before its time, a "+
			"failure, a crash, a deadline that fires early), every claim holds.",
			prose.Count(deviations, "deviation"), x.States)
	case x.Within >= 0:
		return record + fmt.Sprintf("Design or luck is not known beyond %s: the search was cut, and "+
			"every claim held in the %d states that it visited.", prose.Count(x.Within, "deviation"),
			x.States)
	}
	return record + "Design or luck is not known: the search was cut before it had been through the " +
		"record."
}
