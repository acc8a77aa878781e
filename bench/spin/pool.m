-- The scenario of pool.pml for a second model checker, rumur: who waits, who holds, what closes. The rules are the
-- contract's, and the author knew the other model. Written otherwise where that was possible: what only its order
-- matters of is numbered upwards, and `canonical` renumbers it at the end of a step; what there is is counted by
-- functions. CALLERS is the number in the scenario's name; run replaces it.
const
	CALLERS: 3;
	NESTED: 2;      -- of them ask for a nested page while they hold one
	AFFINITIES: 3;
	PAGES: 2;
	HANGS: 2;       -- closes that may hang
	BYPASS: 1;
	LIMIT: PAGES + 1;
	SLOTS: LIMIT + HANGS;
	MOST: 31;       -- of numbers that only grow within a step

type
	Caller: 1 .. CALLERS;
	Affinity: 1 .. AFFINITIES;
	Slot: 1 .. SLOTS;
	Number: 0 .. MOST;
	Count: 0 .. 31;
	Phase: enum {toAsk, asked, askedNested, toReleaseOuter, ended};
	State: enum {none, opening, standby, idle, leased, closing, overdue, killing, killed, gone};
	Tab: record
		state: State;
		owner: 0 .. AFFINITIES;
		ready: Number;            -- standby: when it got ready
		answerable: 0 .. 1 + HANGS;
		stuck: 0 .. HANGS;
		born: Number;             -- the generation that it was bound in
		handed: Number;           -- when it was granted last
		holder: 0 .. CALLERS;
		nested: boolean;          -- its last lease is, or was
		primary: boolean;
	end;

var
	launched: boolean;
	hangs: 0 .. HANGS;
	tabs: array [Slot] of Tab;    -- oldest first, without holes
	last: array [Affinity] of Number; -- when a tab of it was granted last; 0: nothing is known of it
	phase: array [Caller] of Phase;
	granted: array [Caller] of boolean;
	passed: array [Caller] of 0 .. BYPASS;
	queue: array [Caller] of 0 .. CALLERS; -- who waits, in the order of arrival

function affinityOf(c: Caller): Affinity;
begin return (c - 1) % AFFINITIES + 1; end;

function wantsNested(c: Caller): boolean;
begin return phase[c] = askedNested; end;

function bound(i: Slot): boolean;
begin return tabs[i].state = idle | tabs[i].state = leased; end;

function inBooks(i: Slot): boolean;
begin return tabs[i].state != none & tabs[i].state != gone; end;

function tabsIn(s: State): Count;
var n: Count;
begin
	n := 0;
	for i: Slot do if tabs[i].state = s then n := n + 1; end; end;
	return n;
end;

function alive(): Count;
var n: Count;
begin
	n := 0;
	for i: Slot do if inBooks(i) then n := n + 1; end; end;
	return n;
end;

function boundTabs(a: Affinity): Count;
var n: Count;
begin
	n := 0;
	for i: Slot do if bound(i) & tabs[i].owner = a then n := n + 1; end; end;
	return n;
end;

function holdsRoot(a: Affinity): boolean;
begin return exists i: Slot do tabs[i].state = leased & tabs[i].owner = a & !tabs[i].nested end; end;

function rootLeases(): Count;
var n: Count;
begin
	n := 0;
	for i: Slot do if tabs[i].state = leased & !tabs[i].nested then n := n + 1; end; end;
	return n;
end;

function room(): Count;
begin return LIMIT - alive(); end;

-- What is on its way to those who wait: nothing that is overdue.
function relief(): Count;
begin return room() + tabsIn(opening) + tabsIn(closing); end;

function warmer(i: Slot; j: Slot): boolean;
begin
	return tabs[i].primary & !tabs[j].primary |
		tabs[i].primary = tabs[j].primary & tabs[i].handed > tabs[j].handed;
end;

-- The idle tab that an affinity would use next; 0: it has none.
function ownIdle(a: Affinity): 0 .. SLOTS;
var best: 0 .. SLOTS;
begin
	best := 0;
	for i: Slot do
		if tabs[i].state = idle & tabs[i].owner = a then
			if best = 0 then best := i; elsif warmer(i, best) then best := i; end;
		end;
	end;
	return best;
end;

-- RootCap and AffinityTabs, which are 1; an own idle tab is used in spite of the second.
function stopped(a: Affinity): boolean;
begin return holdsRoot(a) | ownIdle(a) = 0 & boundTabs(a) > 0; end;

-- rank is how many different numbers of a set are at most n.
procedure canonical();
var rank: array [Number] of Number; n: Number;
begin
	n := 0;
	for k: Number do
		if k > 0 & ((exists i: Slot do tabs[i].handed = k end) | (exists a: Affinity do last[a] = k end)) then
			n := n + 1;
		end;
		rank[k] := n;
	end;
	for i: Slot do tabs[i].handed := rank[tabs[i].handed]; end;
	for a: Affinity do last[a] := rank[last[a]]; end;
	n := 0;
	for k: Number do
		if k > 0 & (exists i: Slot do tabs[i].born = k end) then n := n + 1; end;
		rank[k] := n;
	end;
	for i: Slot do tabs[i].born := rank[tabs[i].born]; end;
	n := 0;
	for k: Number do
		if k > 0 & (exists i: Slot do tabs[i].ready = k end) then n := n + 1; end;
		rank[k] := n;
	end;
	for i: Slot do tabs[i].ready := rank[tabs[i].ready]; end;
end;

procedure empty(i: Slot);
begin
	tabs[i].state := none; tabs[i].owner := 0; tabs[i].ready := 0; tabs[i].answerable := 0;
	tabs[i].stuck := 0; tabs[i].born := 0; tabs[i].handed := 0; tabs[i].holder := 0;
	tabs[i].nested := false; tabs[i].primary := false;
end;

procedure adopt(i: Slot; a: Affinity);
var generation, newest: Number; hasPrimary: boolean;
begin
	generation := 0; newest := 0; hasPrimary := false;
	for j: Slot do
		if tabs[j].born > newest then newest := tabs[j].born; end;
		if bound(j) & tabs[j].owner = a then
			generation := tabs[j].born;
			hasPrimary := hasPrimary | tabs[j].primary;
		end;
	end;
	if generation = 0 then generation := newest + 1; end;
	tabs[i].born := generation; tabs[i].owner := a; tabs[i].primary := !hasPrimary; tabs[i].ready := 0;
end;

procedure grant(i: Slot; c: Caller);
var latest: Number; left: boolean;
begin
	left := false;
	for k: Caller do
		left := left | queue[k] = c;
		if left then
			if k < CALLERS then queue[k] := queue[k + 1]; else queue[k] := 0; end;
		end;
	end;
	granted[c] := true; passed[c] := 0;
	if tabs[i].state = standby then adopt(i, affinityOf(c)); end;
	latest := 0;
	for a: Affinity do if last[a] > latest then latest := last[a]; end; end;
	last[affinityOf(c)] := latest + 1;
	tabs[i].handed := latest + 1; tabs[i].state := leased; tabs[i].holder := c; tabs[i].nested := wantsNested(c);
end;

-- A warm grant passes by those ahead of it that it takes the last permit from, or whom nothing else is coming for.
procedure countBypasses(place: Caller);
var o: Caller; a: Affinity; permit, tab: boolean;
begin
	for k: Caller do
		if k < place then
			o := queue[k]; a := affinityOf(o);
			permit := !wantsNested(queue[place]) & !wantsNested(o) & !stopped(a) & rootLeases() + 1 = PAGES;
			tab := (wantsNested(o) | !stopped(a) & rootLeases() < PAGES) & ownIdle(a) = 0 & relief() = 0;
			if passed[o] < BYPASS & (permit | tab) then passed[o] := passed[o] + 1; end;
		end;
	end;
end;

function nextStandby(): 0 .. SLOTS;
var first: 0 .. SLOTS;
begin
	first := 0;
	for i: Slot do
		if tabs[i].state = standby then
			if first = 0 then first := i; elsif tabs[i].ready < tabs[first].ready then first := i; end;
		end;
	end;
	return first;
end;

-- The first in the waiting order that can be placed is. Where nobody can, the result is how many tabs those who are
-- let through are short of; otherwise it is MOST.
function placeFirst(): Count;
var c: Caller; a: Affinity; seen: array [Affinity] of boolean; short, permits, usedUp, scant: Count; own: 0 .. SLOTS;
begin
	for b: Affinity do seen[b] := false; end;
	short := 0; usedUp := 0; scant := 0; permits := PAGES - rootLeases();
	for k: Caller do
		if queue[k] != 0 then
			c := queue[k]; a := affinityOf(c); own := ownIdle(a);
			if wantsNested(c) | rootLeases() < PAGES & !seen[a] & !stopped(a) then
				if own != 0 & (scant = 0 | relief() > 0) & (wantsNested(c) | usedUp < PAGES - rootLeases()) then
					countBypasses(k);
					grant(own, c);
					return MOST;
				elsif own = 0 & tabsIn(standby) > 0 then
					grant(nextStandby(), c);
					return MOST;
				end;
				if wantsNested(c) then
					if own = 0 then short := short + 1; end;
				else
					seen[a] := true;
					if permits > 0 then
						permits := permits - 1;
						if own = 0 then short := short + 1; end;
					end;
					if passed[c] >= BYPASS then usedUp := usedUp + 1; end;
				end;
				if passed[c] >= BYPASS & own = 0 then scant := scant + 1; end;
			end;
		end;
	end;
	return short;
end;

-- The coldest idle tab begins to close: of the affinity handed out longest ago, the one that it would use last.
function evict(spare: boolean): boolean;
var victim: 0 .. SLOTS;
begin
	victim := 0;
	for i: Slot do
		if tabs[i].state = idle then
			if !(spare & holdsRoot(tabs[i].owner)) then
				if victim = 0 then victim := i;
				elsif last[tabs[i].owner] < last[tabs[victim].owner] then victim := i;
				elsif tabs[i].owner = tabs[victim].owner & warmer(victim, i) then victim := i;
				end;
			end;
		end;
	end;
	if victim = 0 then return false; end;
	tabs[victim].state := closing; tabs[victim].primary := false; tabs[victim].answerable := 1;
	return true;
end;

procedure settle();
var short: Count; goesOn: boolean;
begin
	goesOn := true;
	while goesOn do
		short := placeFirst();
		goesOn := short = MOST;
		if !goesOn & short > relief() then goesOn := evict(false); end;
	end;
	-- Every slot is an idle or a held tab's, and nobody waits who could be given one: one goes for the spare.
	if short = 0 & room() = 0 & alive() = tabsIn(idle) + tabsIn(leased) then goesOn := evict(true); end;
	if launched then
		for i: Slot do
			if tabs[i].state = none & room() > 0 & (tabsIn(standby) + tabsIn(opening) < 1 |
				tabsIn(standby) + tabsIn(opening) + tabsIn(idle) + tabsIn(leased) < PAGES |
				tabsIn(standby) + tabsIn(opening) < short) then
				tabs[i].state := opening;
			end;
		end;
	end;
	canonical();
end;

-- Whether a request for an affinity waits at a place.
function waitsFor(place: Caller; a: Affinity): boolean;
begin
	if queue[place] = 0 then return false; end;
	return affinityOf(queue[place]) = a;
end;

-- A tab that is gone leaves the books, and its affinity with it where nothing names that any more.
procedure leaveBooks(i: Slot);
var a: Affinity;
begin
	a := tabs[i].owner;
	tabs[i].state := gone; tabs[i].owner := 0; tabs[i].born := 0; tabs[i].handed := 0; tabs[i].nested := false;
	tabs[i].answerable := tabs[i].answerable + tabs[i].stuck; tabs[i].stuck := 0;
	if !(exists j: Slot do inBooks(j) & tabs[j].owner = a end) &
		!(exists k: Caller do waitsFor(k, a) end) then
		last[a] := 0;
	end;
end;

procedure ask(c: Caller; nested: boolean);
var k: 0 .. CALLERS;
begin
	if nested then phase[c] := askedNested; else phase[c] := asked; end;
	k := 1;
	while queue[k] != 0 do k := k + 1; end;
	queue[k] := c;
	settle();
end;

procedure release(c: Caller; nested: boolean);
begin
	for i: Slot do
		if tabs[i].state = leased & tabs[i].holder = c & tabs[i].nested = nested then
			tabs[i].state := idle; tabs[i].holder := 0;
		end;
	end;
	settle();
end;

startstate
begin
	launched := false; hangs := HANGS;
	for i: Slot do empty(i); end;
	for a: Affinity do last[a] := 0; end;
	for c: Caller do phase[c] := toAsk; granted[c] := false; passed[c] := 0; queue[c] := 0; end;
end;

rule "the browser is there" !launched ==> begin launched := true; settle(); end;

ruleset c: Caller do
	rule "asks" phase[c] = toAsk ==> begin ask(c, false); end;
	rule "asks for a nested page" granted[c] & phase[c] = asked & c <= NESTED ==>
	begin granted[c] := false; ask(c, true); end;
	rule "gives the nested page back" granted[c] & phase[c] = askedNested ==>
	begin granted[c] := false; phase[c] := toReleaseOuter; release(c, true); end;
	rule "gives the page back" granted[c] & phase[c] = asked & c > NESTED | phase[c] = toReleaseOuter ==>
	begin granted[c] := false; phase[c] := ended; release(c, false); end;
end;

ruleset i: Slot do
	rule "is open" tabs[i].state = opening ==>
	begin tabs[i].state := standby; tabs[i].ready := MOST; settle(); end;

	-- Of two closes under way either may answer, or hang.
	ruleset n: 1 .. 1 + HANGS do
		rule "a close is answered" tabs[i].answerable >= n & n <= 2 ==>
		begin
			tabs[i].answerable := tabs[i].answerable - 1;
			if tabs[i].state != gone then leaveBooks(i); end;
			if tabs[i].answerable + tabs[i].stuck = 0 then
				for j: Slot do if i <= j & j < SLOTS then tabs[j] := tabs[j + 1]; end; end;
				empty(SLOTS);
			end;
			settle();
		end;
		rule "a close hangs" tabs[i].answerable >= n & n <= 2 & hangs > 0 ==>
		begin
			hangs := hangs - 1;
			tabs[i].answerable := tabs[i].answerable - 1; tabs[i].stuck := tabs[i].stuck + 1;
		end;
	end;

	-- A time passes only where the browser has nothing to answer.
	rule "CloseGrace" tabs[i].state = closing & tabs[i].answerable = 0 ==>
	begin tabs[i].state := overdue; settle(); end;
	rule "CloseTimeout" tabs[i].state = overdue & tabs[i].answerable = 0 ==>
	begin tabs[i].state := killing; settle(); end;
	rule "the renderer is killed" tabs[i].state = killing ==>
	begin
		tabs[i].state := killed; tabs[i].answerable := 1 + tabs[i].stuck; tabs[i].stuck := 0;
		settle();
	end;
end;

invariant "capacity" alive() <= LIMIT;
invariant "root-limit" rootLeases() <= PAGES;
invariant "admission" forall i: Slot do forall j: Slot do
	i = j | tabs[i].state != leased | tabs[j].state != leased | tabs[i].nested | tabs[j].nested |
	tabs[i].owner != tabs[j].owner end end;
invariant "one-primary" forall i: Slot do forall j: Slot do
	i = j | !tabs[i].primary | !tabs[j].primary | tabs[i].owner != tabs[j].owner end end;

-- From every state, one can be reached in which everybody was served.
liveness "answered" forall c: Caller do phase[c] = ended end;
