/*
 * One scenario of the page pool, written by hand from the contract, not translated from the code; the contract's
 * sentences that a rule follows are quoted where it stands. What production code does in the same scenario is visited by
 * `soak explore spin-2` to `spin-5`; README.md beside this file says why the two come to the same numbers.
 *
 * CALLERS callers come to a pool of PAGES pages: caller n asks for affinity n modulo AFFINITIES and gives its
 * page back. The first NESTED of them, while they hold their page, ask for a nested one of the same affinity,
 * give that back, and then the outer one. A close may hang, HANGS times in all. AffinityTabs, and so RootCap,
 * is 1; MaxBypass is BYPASS; probes, resets, rescues, orphans, growth and retirement are off.
 *
 * A d_step is one event and all that follows from it in the same step, so a stored state is a state between two
 * events, the start included.
 */
#ifndef CALLERS
#define CALLERS 3
#endif
#ifndef NESTED
#define NESTED 2
#endif
#ifndef AFFINITIES
#define AFFINITIES 3
#endif
#ifndef PAGES
#define PAGES 2
#endif
#ifndef HANGS
#define HANGS 2
#endif
#define BYPASS 1

/* Whether a tab that nobody holds still knows the class of its last lease, as the books of the checks do. It
 * decides nothing; README.md says how many states it makes. */
#ifndef LEDGER
#define LEDGER 1
#endif

/* "Tabs alive in any state, closing and lost ones included, never exceed capacity + 1": the slots. For each
 * close that hung, one more is kept for what the browser may still answer of a tab that is gone. */
#define LIMIT (PAGES + 1)
#define SLOTS (LIMIT + HANGS)
#define affinityOf(caller) ((caller) % AFFINITIES)

/* The states of a tab. A closing one is on a rung: "close, verify, close again ...; after CloseGrace the
 * close is overdue; after CloseTimeout the renderer is killed". */
#define NONE    0
#define OPENING 1
#define STANDBY 2
#define IDLE    3
#define LEASED  4
#define ASKED   5 /* to close */
#define OVERDUE 6
#define KILLING 7
#define KILLED  8 /* and asked to close once more: gone only when the browser confirms its end */
#define GONE    9 /* out of the books; an answer about it is still to come */

bool ready;                 /* the browser */
byte hangs = HANGS;         /* how many closes may still hang */

/* Tabs, in the order in which they were opened, without holes. */
byte state[SLOTS];
byte owner[SLOTS];          /* the affinity, from adoption on */
byte adopted[SLOTS];        /* standby: its place in the order of adoption, from 1 */
byte answerable[SLOTS];     /* closes under way that the browser can answer */
byte stuck[SLOTS];          /* closes that hang */
byte born[SLOTS];           /* rank of the generation that it was bound in */
byte handed[SLOTS];         /* rank of its last grant, among those of last too */
byte holder[SLOTS];         /* leased: 1 + twice the caller, one more for a nested lease */
bool primary[SLOTS];        /* its context is its affinity's primary */
#if LEDGER
bool served[SLOTS];         /* whether its last lease was nested */
#endif

byte last[AFFINITIES];      /* rank of the affinity's last grant; 0: nothing is known of it */

/* Requests, in the order of arrival: "first come first served". */
byte waiting[CALLERS];      /* 1 + the caller; 0: nobody */
byte passed[CALLERS];       /* how often the request of a caller was passed by */
bool granted[CALLERS];      /* the caller has got what it asked for last, and does not know */
bool outer[CALLERS];        /* it holds a root lease, so what it asks for is nested */

/* Scratch: no part of a state. */
hidden byte i, j, request, key, chosen, best, highest, former, place;
hidden byte alive, standbys, openings, closings, overdues, leases, bound, room, relief;
hidden byte needed, permits, usedUp, scant;
hidden byte own[AFFINITIES];     /* 1 + the idle tab that it would use next */
hidden byte owned[AFFINITIES];   /* its bound tabs */
hidden byte held[AFFINITIES];    /* it has a root lease */
hidden byte seen[AFFINITIES];    /* an older root request of it is counted already */
hidden byte moved;

/* "class: root or nested"; "supplementary tab: whose context is not its affinity's primary". The contract leaves open
 * which of two idle tabs of an affinity is used first: the primary, whose caches are the warmest, then the one used
 * last; eviction takes them the other way round. */
#define warmer(x, y) (primary[x] > primary[y] || (primary[x] == primary[y] && handed[x] > handed[y]))

/* "RootCap per affinity, and an affinity owns at most AffinityTabs for root work (... nor is a request stopped that an
 * own idle tab serves ...); nested work is bound by none of the three". Both are 1. */
#define stopped(x) (held[x] || (own[x] == 0 && owned[x] > 0))

/* survey counts what there is, and checks what is true after every step. */
inline survey() {
	standbys = 0; openings = 0; closings = 0; overdues = 0; leases = 0; bound = 0;
	i = 0;
	do
	:: i < AFFINITIES -> own[i] = 0; owned[i] = 0; held[i] = false; seen[i] = false; i++
	:: else -> break
	od;
	i = 0;
	do
	:: i < SLOTS && state[i] != NONE ->
		if
		:: state[i] == OPENING -> openings++
		:: state[i] == STANDBY -> standbys++
		:: state[i] == IDLE ->
			key = owner[i]; bound++; owned[key]++;
			if
			:: own[key] == 0 -> own[key] = i + 1
			:: own[key] != 0 && warmer(i, own[key] - 1) -> own[key] = i + 1
			:: else
			fi
		:: state[i] == LEASED ->
			key = owner[i]; bound++; owned[key]++;
			if
			:: holder[i] % 2 == 1 ->
				assert(!held[key]);          /* "Root leases of one affinity never exceed RootCap" */
				leases++; held[key] = true
			:: else
			fi
		:: state[i] == ASKED -> closings++
		:: state[i] == GONE
		:: else -> overdues++
		fi;
		i++
	:: else -> break
	od;
	alive = openings + standbys + bound + closings + overdues;
	assert(alive <= LIMIT);                      /* "capacity" */
	assert(leases <= PAGES);                     /* "root-limit" */
	room = LIMIT - alive;
	/* "overdue: from then on it is no relief any more for those who wait" */
	relief = room + openings + closings
}

/* forgetRank closes the gap that a rank leaves that nothing has any more. */
inline forgetRank(rank) {
	i = 0;
	do
	:: i < SLOTS && handed[i] != rank -> i++
	:: else -> break
	od;
	j = 0;
	do
	:: j < AFFINITIES && last[j] != rank -> j++
	:: else -> break
	od;
	if
	:: rank == 0 || i < SLOTS || j < AFFINITIES
	:: else ->
		i = 0;
		do
		:: i < SLOTS -> if :: handed[i] > rank -> handed[i]-- :: else fi; i++
		:: else -> break
		od;
		j = 0;
		do
		:: j < AFFINITIES -> if :: last[j] > rank -> last[j]-- :: else fi; j++
		:: else -> break
		od
	fi
}

/* adopt gives a standby to an affinity. "generation: an affinity gets a new one when it is born", that is with its first
 * bound tab. Its context becomes the primary where there is none. */
inline adopt(tab) {
	j = 0; highest = 0; former = 0; primary[tab] = true;
	do
	:: j < SLOTS ->
		if :: state[j] == STANDBY -> adopted[j]-- :: else fi;
		if :: born[j] > highest -> highest = born[j] :: else fi;
		if
		:: (state[j] == IDLE || state[j] == LEASED) && owner[j] == key ->
			former = born[j];
			if :: primary[j] -> primary[tab] = false :: else fi
		:: else
		fi;
		j++
	:: else -> break
	od;
	if :: former != 0 -> born[tab] = former :: else -> born[tab] = highest + 1 fi;
	owner[tab] = key
}

/* grant hands a tab to the request at place, which is that of caller request for affinity key. */
inline grant(tab) {
	granted[request] = true; passed[request] = 0;
	j = place;
	do
	:: j + 1 < CALLERS -> waiting[j] = waiting[j + 1]; j++
	:: else -> waiting[j] = 0; break
	od;
	if :: state[tab] == STANDBY -> adopt(tab) :: else fi;
	state[tab] = LEASED; holder[tab] = 1 + 2 * request + outer[request];
#if LEDGER
	served[tab] = outer[request];
#endif
	highest = 0; j = 0;
	do
	:: j < AFFINITIES -> if :: last[j] > highest -> highest = last[j] :: else fi; j++
	:: else -> break
	od;
	former = last[key]; best = handed[tab];
	last[key] = highest + 1; handed[tab] = highest + 1;
	if
	:: best > former -> forgetRank(best); forgetRank(former)
	:: best < former -> forgetRank(former); forgetRank(best)
	:: else -> forgetRank(former)
	fi
}

/* countBypass: "A warm grant counts as a bypass of an older request only where both are root, RootCap and AffinityTabs would
 * let the older one through, and it takes the last permit, or where the older one is admitted, short of room, and has
 * no relief under way"; "at most MaxBypass times per waiting request". */
inline countBypass() {
	j = 0;
	do
	:: j < place ->
		chosen = waiting[j] - 1; best = affinityOf(chosen);
		if
		:: passed[chosen] < BYPASS &&
		   ((!outer[request] && !outer[chosen] && !stopped(best) && leases + 1 == PAGES) ||
		    ((outer[chosen] || (!stopped(best) && leases < PAGES)) && own[best] == 0 && relief == 0)) ->
			passed[chosen]++
		:: else
		fi;
		j++
	:: else -> break
	od
}

/* placeFirst places the first request that can be placed, in the waiting order: by "1. an idle tab of its own affinity" or
 * "3. a standby, adopted" (there are no orphans). Where it finds none, needed is how many tabs those who are admitted are
 * short of, and usedUp and scant are those "whose bypass is used up": such a one "holds back only what it competes for
 * (nothing while RootCap or AffinityTabs stops it): younger root requests for the permit, everybody for room". As long as
 * relief is under way it competes with no warm grant for room, by the words that are quoted at countBypass. */
inline placeFirst() {
	moved = false; needed = 0; usedUp = 0; scant = 0; place = 0;
	permits = PAGES - leases;                    /* "Root leases number at most capacity" */
	do
	:: place < CALLERS && waiting[place] != 0 ->
		request = waiting[place] - 1; key = affinityOf(request);
		if
		:: !outer[request] && (leases >= PAGES || seen[key] || stopped(key))
		:: else ->
			if
			:: own[key] != 0 && (scant == 0 || relief > 0) && (outer[request] || usedUp < PAGES - leases) ->
				countBypass();
				chosen = own[key] - 1;
				moved = true;
				break
			:: own[key] == 0 && standbys > 0 ->
				chosen = 0;
				do
				:: adopted[chosen] == 1 -> break
				:: else -> chosen++
				od;
				moved = true;
				break
			:: else ->
				if
				:: outer[request] -> needed = needed + (own[key] == 0)
				:: else ->
					seen[key] = true;
					needed = needed + (permits > 0 && own[key] == 0);
					permits = permits - (permits > 0);
					usedUp = usedUp + (passed[request] >= BYPASS)
				fi;
				scant = scant + (passed[request] >= BYPASS && own[key] == 0)
			fi
		fi;
		place++
	:: else -> break
	od;
	if :: moved -> grant(chosen) :: else fi
}

/* evict begins to close "an idle tab to make room: of the affinity handed out longest ago that has one"; "eviction for the
 * spare takes none of an affinity that holds a root lease". Its affinity is cold, its primary none, in this step. */
inline evict(spare) {
	i = 0; best = 255; chosen = SLOTS;
	do
	:: i < SLOTS ->
		if
		:: state[i] != IDLE || (spare && held[owner[i]])
		:: else ->
			if
			:: last[owner[i]] < best -> best = last[owner[i]]; chosen = i
			:: last[owner[i]] == best && warmer(chosen, i) -> chosen = i
			:: else
			fi
		fi;
		i++
	:: else -> break
	od;
	if
	:: chosen < SLOTS -> state[chosen] = ASKED; primary[chosen] = false; answerable[chosen] = 1; moved = true
	:: else
	fi
}

/* claims are those of the search that can be said of this model, after every step. CLAIMS is off unless a run asks for
 * it. capacity, root-limit and admission are in survey. What placement comes to is not asserted: settle is the plan. */
#ifdef CLAIMS
hidden byte primaries[AFFINITIES];
hidden byte named[AFFINITIES];
inline claims() {
	survey();
	j = 0;
	do
	:: j < AFFINITIES -> primaries[j] = 0; named[j] = 0; j++
	:: else -> break
	od;
	i = 0; highest = 0; former = 0;
	do
	:: i < SLOTS ->
		assert((state[i] == LEASED) == (holder[i] != 0));          /* "exclusive-lease": a holder ... */
		assert((state[i] == STANDBY) == (adopted[i] != 0));        /* "books-agree": the order of adoption */
		assert(adopted[i] <= standbys);
		assert(!primary[i] || state[i] == IDLE || state[i] == LEASED); /* "primary-fate" */
		assert(state[i] == NONE || i == 0 || state[i - 1] != NONE);
		assert(state[i] != NONE || (answerable[i] + stuck[i] == 0));
		assert(state[i] != GONE || answerable[i] + stuck[i] > 0);  /* "no-leak" */
		assert(!(state[i] == IDLE || state[i] == LEASED) || born[i] != 0);
		if :: handed[i] > highest -> highest = handed[i] :: else fi;
		j = 0;
		do
		:: j < i ->
			assert(holder[i] == 0 || holder[i] != holder[j]);      /* ... has one tab */
			assert(adopted[i] == 0 || adopted[i] != adopted[j]);
			assert(!(state[i] == IDLE || state[i] == LEASED) || !(state[j] == IDLE || state[j] == LEASED) ||
				(owner[i] == owner[j]) == (born[i] == born[j])); /* "isolation": a generation is one affinity's */
			j++
		:: else -> break
		od;
		if
		:: state[i] == IDLE || state[i] == LEASED ->
			key = owner[i]; named[key]++;
			assert(last[key] != 0);                                /* "warm-truth" */
			assert(handed[i] <= last[key]);
			if :: primary[i] -> primaries[key]++ :: else fi
		:: else
		fi;
		if
		:: state[i] == LEASED -> assert(affinityOf((holder[i] - 1) / 2) == owner[i]) /* "no-doomed-grant" */
		:: else
		fi;
		i++
	:: else -> break
	od;
	j = 0;
	do
	:: j < AFFINITIES ->
		assert(primaries[j] <= 1);                                 /* "one-primary" */
		assert(owned[j] == named[j]);                              /* "warm-truth" */
		j++
	:: else -> break
	od;
	i = 0; best = 0;
	do
	:: i < CALLERS ->
		assert(waiting[i] == 0 || i == 0 || waiting[i - 1] != 0);
		if
		:: waiting[i] != 0 ->
			assert(!granted[waiting[i] - 1]);                      /* "single-answer" */
			assert(passed[waiting[i] - 1] <= BYPASS);              /* "order" */
			j = 0;
			do
			:: j < i -> assert(waiting[i] != waiting[j]); j++
			:: else -> break
			od
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0; j = 0
}
#else
#define claims() skip
#endif

/* settle does what has become possible, until nothing more is. */
inline settle() {
	do
	:: survey();
		placeFirst();
		if
		:: moved
		:: else ->
			if
			/* "No eviction begins that would make the closes and openings that are not overdue, and the free slots,
			 * together exceed the shortage that asks for it." */
			:: needed > relief -> evict(false)
			/* "it stays relief for the spare"; nobody waits who could be given a tab */
			:: needed == 0 && standbys + openings + closings + overdues + room == 0 -> evict(true); moved = false
			:: else
			fi;
			if :: moved :: else -> break fi
		fi
	od;
	/* "refill: opening standbys until the target is met: the larger of 1 (the spare) and capacity less the bound tabs", and
	 * one for each of those who wait. What eviction for the spare took was bound, but leaves no slot free yet. */
	i = 0;
	do
	:: i < SLOTS && state[i] != NONE -> i++
	:: else -> break
	od;
	do
	:: ready && room > 0 && (standbys + openings < 1 || standbys + openings + bound < PAGES || standbys + openings < needed) ->
		state[i] = OPENING; i++; openings++; room--
	:: else -> break
	od;
	i = 0;
	claims()
}

/* remove closes the gap that a tab leaves. */
inline remove(tab) {
	i = tab;
	do
	:: i + 1 < SLOTS && state[i] != NONE ->
		state[i] = state[i + 1]; owner[i] = owner[i + 1]; adopted[i] = adopted[i + 1];
		answerable[i] = answerable[i + 1]; stuck[i] = stuck[i + 1]; born[i] = born[i + 1];
		handed[i] = handed[i + 1]; holder[i] = holder[i + 1]; primary[i] = primary[i + 1];
#if LEDGER
		served[i] = served[i + 1];
#endif
		i++
	:: else -> break
	od;
	state[i] = NONE; owner[i] = 0; adopted[i] = 0; answerable[i] = 0; stuck[i] = 0; born[i] = 0;
	handed[i] = 0; holder[i] = 0; primary[i] = false;
#if LEDGER
	served[i] = false;
#endif
	i = 0
}

/* leaveBooks takes a tab that is gone out of the books, and its affinity where nothing names it any more: no tab, on
 * its way out or not, and no request. What else waits for the end of the page has seen it. */
inline leaveBooks(tab) {
	former = born[tab]; born[tab] = 0;
	j = 0;
	do
	:: j < SLOTS && born[j] != former -> j++
	:: else -> break
	od;
	if
	:: j < SLOTS
	:: else ->
		j = 0;
		do
		:: j < SLOTS -> if :: born[j] > former -> born[j]-- :: else fi; j++
		:: else -> break
		od
	fi;
	former = handed[tab]; handed[tab] = 0;
	forgetRank(former);
	key = owner[tab]; owner[tab] = 0; state[tab] = GONE;
#if LEDGER
	served[tab] = false;
#endif
	answerable[tab] = answerable[tab] + stuck[tab]; stuck[tab] = 0;
	i = 0;
	do
	:: i < SLOTS && !(state[i] >= IDLE && state[i] <= KILLED && owner[i] == key) -> i++
	:: else -> break
	od;
	j = 0;
	do
	:: j < CALLERS && waiting[j] != 0 && affinityOf(waiting[j] - 1) != key -> j++
	:: else -> break
	od;
	if
	:: i < SLOTS || (j < CALLERS && waiting[j] != 0)
	:: else -> former = last[key]; last[key] = 0; forgetRank(former)
	fi
}

/* closed is an answer to a close: "a second or late answer of the browser changes nothing". */
inline closed(tab) {
	answerable[tab]--;
	if :: state[tab] != GONE -> leaveBooks(tab) :: else fi;
	if :: answerable[tab] + stuck[tab] == 0 -> remove(tab) :: else fi;
	settle()
}

inline ask() {
	i = 0;
	do
	:: waiting[i] != 0 -> i++
	:: else -> break
	od;
	waiting[i] = 1 + _pid;
	settle()
}

inline release(nested) {
	i = 0;
	do
	:: holder[i] == 1 + 2 * _pid + nested -> break
	:: else -> i++
	od;
	state[i] = IDLE; holder[i] = 0;
	settle()
}

/* A caller that waits for ever is an invalid end state: "Every request is granted, refused or abandoned in the end". */
active [CALLERS] proctype caller() {
	d_step { ask() };
	if
	:: d_step { granted[_pid] && _pid < NESTED -> granted[_pid] = false; outer[_pid] = true; ask() };
		d_step { granted[_pid] -> granted[_pid] = false; outer[_pid] = false; release(1) };
		d_step { release(0) }
	:: d_step { granted[_pid] && _pid >= NESTED -> granted[_pid] = false; release(0) }
	fi;
end:	false
}

#define tab (_pid - CALLERS)

/* What the browser answers of the tab in one slot, and the times of its close. A time passes only where the browser has
 * nothing to answer: the fault of this scenario is a close that hangs, not a slow one. Of two closes under way
 * either may answer, or hang, so there are two transitions for it. */
active [SLOTS] proctype browser() {
end:	do
	:: d_step { state[tab] == OPENING ->
		i = 0; j = 1;
		do
		:: i < SLOTS -> if :: state[i] == STANDBY -> j++ :: else fi; i++
		:: else -> break
		od;
		state[tab] = STANDBY; adopted[tab] = j;
		settle() }
	:: d_step { answerable[tab] > 0 -> closed(tab) }
	:: d_step { answerable[tab] > 1 -> closed(tab) }
	:: d_step { answerable[tab] > 0 && hangs > 0 -> hangs--; answerable[tab]--; stuck[tab]++ }
	:: d_step { answerable[tab] > 1 && hangs > 0 -> hangs--; answerable[tab]--; stuck[tab]++ }
	:: d_step { state[tab] == ASKED && answerable[tab] == 0 -> state[tab] = OVERDUE; settle() }
	:: d_step { state[tab] == OVERDUE && answerable[tab] == 0 -> state[tab] = KILLING; settle() }
	/* "A browser's word that it closed a page is not believed until the page is gone": a dead renderer frees the close
	 * that hung, and another close is asked for. */
	:: d_step { state[tab] == KILLING -> state[tab] = KILLED; answerable[tab] = 1 + stuck[tab]; stuck[tab] = 0; settle() }
	od
}

active proctype launch() {
	d_step { ready = true; settle() };
end:	false
}
