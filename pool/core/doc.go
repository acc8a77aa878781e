// Package core decides. It is the page pool as a value: a pure state machine that is told what
// happened and says what to do, and does nothing itself.
//
//	state := core.New(settings)
//	effects = state.Step(now, core.Event{Kind: core.Requested, Request: 1, Affinity: 7}, effects[:0])
//	for _, e := range effects { ... } // grant r1 t3 adopted; open t9; close t4 reason=eviction
//
// It never blocks, starts no goroutine, holds no lock, reads no clock and draws no random number.
// What other pools keep in local variables across a wait is a field of State here, so it can be
// seen, printed, copied and hashed. Package pool feeds it the real world under one mutex; package
// sim feeds it a simulated one; a recorded history fed to it again gives the same state.
//
// # How to read it
//
// core.go has Facts, State and Step. Facts is everything that a decision can depend on. The index
// (index.go) is what follows from the facts: lists, heaps, sums. Each step keeps it up to date.
// rebuild makes it anew from the facts, after a dump was read and in order to check it. An event
// changes the facts; then settle does whatever has become possible, in this order:
//
//	giveUpDoubted doubt.go  what affinities in doubt keep is given up
//	endDrained   browser.go a browser that is being replaced ends
//	place        place.go   who gets which tab: an idle one of its own, one that opens in its own
//	                        context, the oldest standby; then capacity grows (grow.go); with
//	                        AllowReassign, an idle tab of another affinity is handed over
//	thaw         freeze.go  frozen standbys are probed for those who wait
//	refuse       browser.go who has sat through too many failed rounds
//	endPhase     phase.go   the pool's own end
//	keepBrowser  browser.go a browser is launched where none serves, or where the one that does is
//	                        to be replaced; two at most are alive
//	contract     grow.go    an idle pool shrinks
//	makeRoom     supply.go  idle tabs are closed, as many as those who wait are short of
//	open         supply.go  standbys are opened until the target is met
//	drain        browser.go what is idle in a browser that is being replaced is closed
//	finishCalls  calls.go   disposals, warm-ups and recyclings that have reached their end
//	forget       core.go    keys of which nothing is left
//
// The other files:
//
//	admit.go     the limits, and the order in which requests wait
//	own.go       affinities whose contexts are made for them, and whom no standby serves
//	order.go     how often a warm tab may overtake an older request
//	lease.go     how a lease ends; session.go: what is done between two leases
//	operation.go what a browser is asked for: the record of it, its limit, and what its answer, its
//	             failure and its silence mean to what it is about
//	probe.go     how a tab in doubt is judged
//	close.go     how a tab, or a context, is closed: asked, asked again, killed; one that even that
//	             does not end is lost, and counts until its browser ends
//	context.go   what becomes of a browser context; the one that an affinity is known by is its
//	             primary, and without a tab it is an orphan
//	retire.go    what ends a tab that works: age, use, idleness
//	freeze.go    how tabs sleep that nobody has
//	memory.go    what becomes of a browser that uses too much
//	doubt.go     how ends of leases speak against an affinity's context; sick.go: against a browser
//	deadline.go  what happens when its time comes
//
// Package trace writes all of it down, and reads it.
//
// There is no refill loop to get stuck: there is a target, and the distance to it. A close that
// hangs holds nothing but its own slot, because nothing ever waits inside a Step.
//
// # An example
//
// MaxPages is 2, so two root leases may be held and three tabs may be alive. None is held; t1 is
// idle and x's, t2 is idle and z's, t3 is a standby. All were last heard 5 s ago. Three requests
// come in one instant:
//
//	get r3 x    probe t1                    more than ProbeMaxAge has passed, so t1 is probed; it is
//	                                        promised to r3, which holds no permit yet
//	get r4 y    grant r4 t3 adopted         y has no tab, so r4 takes the oldest standby
//	            close t2 reason=eviction    the next standby needs a slot: t2, the coldest idle tab,
//	                                        goes, and z is cold at once
//	get r5 z    (waits)                     until t2 is closed and a standby is open
//
// If r5 is granted that standby before t1 has answered, it takes the second permit, and r3 has to
// wait for one. That counts as a bypass of r3, as any grant does that takes the last permit, or the
// room, that an older request of another affinity could have had. After MaxBypass (4) of them,
// heldBack stops those that compete with r3.
//
// # What may be closed for those who wait
//
// Idle tabs, the coldest first, and as many as the requests are short of. Where none is idle, a tab
// whose probe, rescue or reset is overdue. Never a leased tab, nor one that is on its way in time.
//
// # Time
//
// Step is told the time. What is due when is part of the state: NextDeadline is the earliest.
// Package pool has one timer for it, and feeds each deadline that is due as an event. A deadline
// that is fed late is like one that was due then. Each operation has a number; an answer to one
// that was given up changes nothing, but what a late opening or launch has made is closed.
//
// # Why nested work always gets on
//
// The spare is no tab in particular. Root leases number at most capacity less the lost tabs, and
// one more tab than capacity may be alive, so at least one tab is under no root lease. Whatever it
// is (standby, idle, opening, closing, or held by nested work, which ends by itself) it comes to a
// nested request in the end, and the request needs no permit to take it.
//
// # What is checked
//
// Package spec, which no program with a pool links, has the safety claims of the contract. Each
// sees one step: the state before, the event, the effects, the state after, and a ledger, which is
// a second set of books fed by events and effects alone. Six of them can be seen broken in a state
// alone; check.go looks at these after every step in production. books.go compares the index with
// the facts.
//
// The package makes no promise of compatibility.
package core
