// net-document: A document has no end.
location = at + "document"

// net-streams: Six answers without end are read.
for (let i = 0; i < 6; i++) {
	fetch(at + "endless?" + i).then(async r => {
		for (const reader = r.body.getReader(); ;) await reader.read()
	})
}

// net-sockets: WebSockets are opened for ever, to a server that does not answer.
const all = []
every(() => all.push(new WebSocket("ws://" + location.host + at + "hang")), 20)

// net-requests: Requests are sent as fast as a page can.
let n = 0
every(() => fetch(at + "small?" + n++).catch(() => 0), 50)

// net-hangs: 1,000 requests wait for ever.
for (let i = 0; i < 1000; i++) fetch(at + "hang?" + i).catch(() => 0)

// net-beacons: Beacons, and requests that may outlive the page, are sent for ever.
const text = "x".repeat(60000)
every(() => {
	navigator.sendBeacon(at + "small", text)
	fetch(at + "small", {method: "POST", keepalive: true, body: "x"}).catch(() => 0)
}, 50)

// net-events: Events come without end.
for (let i = 0; i < 5; i++) new EventSource(at + "events?" + i).onmessage = () => 0

// net-downloads: Downloads without end, and of blobs of 10 MB, are begun for ever.
const blob = URL.createObjectURL(new Blob([new Uint8Array(1e7)]))
const a = element("a", {download: "x"})
let n = 0
every(() => {
	a.href = n++ % 2 ? at + "download?" + n : blob
	a.click()
}, 1, 10)
