// memory-arrays: Objects fill the heap of scripts.
const all = []
for (;;) all.push(Array.from({length: 1e5}, (_, i) => ({i})))

// memory-buffers: Buffers outside of the heap take 1 GB.
const all = []
for (let i = 0; i < 64; i++) all.push(new Uint8Array(1 << 24).fill(1))
for (;;) all.length

// memory-text: A text doubles up to V8's limit, again and again.
for (;;) try { for (let s = "ab"; ; s += s) /z/.test(s) } catch { }

// memory-garbage: A large heap is collected all the time.
const keep = Array.from({length: 2e6}, (_, i) => ({i}))
for (let i = 0; ; i++) keep[i % 2e6] = {i, keep: [i]}

// memory-blobs: Blobs of 16 MB are kept by the browser's own process, up to 1 GB.
const all = []
for (let i = 0; i < 64; i++) try {
	all.push(new Blob([new Uint8Array(1 << 24).fill(i)]))
	await all.at(-1).slice(0, 1).text()
} catch { } // what the browser does not keep

// memory-wasm: Memories of WebAssembly take 1 GB, page by page.
const all = []
for (let i = 0; i < 8; i++) {
	const m = new WebAssembly.Memory({initial: 1, maximum: 2048})
	for (; m.buffer.byteLength < 1 << 27; m.grow(1)) new Uint8Array(m.buffer, 0, 65536).fill(1)
	all.push(new Uint8Array(m.buffer).fill(1))
}
for (;;) all.length

// memory-canvas: Canvases of 4,000 x 4,000 pixels take 1 GB.
for (let i = 0; i < 16; i++) {
	const c = document.body.appendChild(element("canvas", {width: 4000, height: 4000}))
	c.getContext("2d").fillRect(0, 0, 4000, 4000)
}
