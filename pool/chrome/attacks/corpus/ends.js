// end-pagehide: A handler of the document's end loops, and the page leaves the document.
onpagehide = onunload = () => { for (;;); }
leave()

// end-lease: A handler of the document's end loops; the end of the lease meets it.
onpagehide = onunload = onvisibilitychange = onfreeze = () => { for (;;); }

// end-asks: The page asks whether it may be left, and leaves again and again.
onbeforeunload = e => { e.preventDefault(); return "stay" }
every(() => location = at + "small", 1, 10)

// end-waits: The end of the document waits for a server that never answers.
onpagehide = onunload = () => ask("hang")
leave()

// end-intercepts: The page takes over each navigation, and begins the next.
const go = () => { navigation.navigate("?" + Math.random()).finished.catch(() => 0) }
navigation.onnavigate = e => e.intercept({handler: async () => setTimeout(go)})
go()

// end-opens: The end of the document opens windows and frames, and sends beacons.
onpagehide = onunload = onbeforeunload = () => {
	for (let i = 0; i < 50; i++) {
		open("about:blank")
		navigator.sendBeacon(at + "hang", "x")
		frame({})
	}
}
leave()
