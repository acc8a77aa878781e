// store-local: 4 MB of local storage are written again and again.
for (let n = 0; ; n++) localStorage.setItem("a", n + "x".repeat(4e6))

// store-indexed: Values of 1 MB go into IndexedDB for ever.
const asked = indexedDB.open("flood"), value = new Uint8Array(1 << 20).map(Math.random)
asked.onupgradeneeded = () => asked.result.createObjectStore("s")
await new Promise(done => asked.onsuccess = done)
for (let n = 0; ; n++) {
	const t = asked.result.transaction("s", "readwrite")
	for (let i = 0; i < 8; i++) t.objectStore("s").put(value, n % 40 * 8 + i)
	await new Promise(done => t.oncomplete = t.onerror = t.onabort = done)
}

// store-caches: Answers of 1 MB go into 100 caches, for ever.
const value = new Uint8Array(1 << 20)
for (let n = 0; ; n++) {
	const cache = await caches.open("c" + n % 100)
	await cache.put(at + "x" + n % 300, new Response(value))
}

// store-cookies: Cookies of 1 KB are set for ever, by scripts and by answers.
const value = "x".repeat(1000)
for (let n = 0; ; n++) {
	for (let i = 0; i < 100; i++) document.cookie = `c${(n * 100 + i) % 500}=${value}`
	await fetch(at + "cookies?" + n)
}

// store-files: Four private files are written anew for ever, with 48 MB each.
const root = await navigator.storage.getDirectory(), value = new Uint8Array(1 << 22)
for (let n = 0; ; n++) {
	const file = await root.getFileHandle("f" + n % 4, {create: true})
	const w = await file.createWritable()
	for (let i = 0; i < 12; i++) await w.write(value)
	await w.close()
}

// store-channels: 20 channels send 100 KB to each other for ever, and locks pile up.
const text = "x".repeat(1e5), more = {onmessage: () => 0}
const all = Array.from({length: 20}, () => Object.assign(new BroadcastChannel("b"), more))
let n = 0
every(i => {
	all[i].postMessage(text)
	navigator.locks.request("l" + n++, () => new Promise(() => { }))
}, 20)
