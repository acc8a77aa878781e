// worker-loops: Eight workers loop for ever.
for (let i = 0; i < 8; i++) spawn("for (;;);")

// worker-storm: Workers are made and ended for ever.
every(() => {
	const w = spawn("postMessage(1)")
	w.onmessage = () => w.terminate()
}, 20)

// worker-messages: Four workers exchange messages of 1 MB with the page.
for (let i = 0; i < 4; i++) {
	const w = spawn("onmessage = e => postMessage(e.data)")
	w.onmessage = e => w.postMessage(e.data)
	w.postMessage("x".repeat(1e6))
}

// worker-memory: Four workers fill their own heaps.
for (let i = 0; i < 4; i++) {
	spawn("const a = []; for (let i = 0; i < 3e6; i++) a.push({i}); for (;;) a.push(a.pop())")
}

// worker-shared: Shared workers loop; they may outlive a document.
for (let i = 0; i < 4; i++) spawn("for (;;);", SharedWorker)

// worker-canvas: Four workers draw on canvases of 3,000 x 3,000 pixels.
for (let i = 0; i < 4; i++) {
	spawn(`const x = new OffscreenCanvas(3000, 3000).getContext("2d")
		Object.assign(x, {shadowBlur: 99, shadowColor: "red"})
		for (;;) { x.fillRect(9, 9, 900, 900); x.getImageData(0, 0, 9, 9) }`)
}

// service-loop: A service worker loops while requests of the page wait for it.
await navigator.serviceWorker.register(here + "/worker.js")
const {active} = await navigator.serviceWorker.ready
active.postMessage(1)
for (;;) await fetch(here)
// worker:
onmessage = onfetch = () => { for (;;); }
onactivate = e => e.waitUntil(clients.claim())

// service-many: Service workers are registered for ever, each for a scope of its own.
for (let i = 0; ; i++) {
	const scope = here + "/worker.js" + i
	await navigator.serviceWorker.register(here + "/worker.js?" + i, {scope})
}
// worker:
oninstall = e => e.waitUntil(new Promise(() => { }))
