// frame-storm: Frames are made and dropped for ever; the browser has to tell of each.
for (;;) document.body.replaceChildren(element("iframe"))

// frame-many (browser): 1,000 frames load a document each.
for (let i = 0; i < 1000; i++) frame({src: at + "small?" + i})

// frame-nested: A page shows itself twice in itself, and each of these does the same.
const depth = Number(new URLSearchParams(location.hash.slice(1)).get("depth"))
for (let i = 0; i < 2 && depth < 9; i++) frame({src: `${here}?go#depth=${depth + 1}&i=${i}`})

// frame-sites: Eight frames of another site, with a process of their own, loop.
if (location.search) for (;;);
for (let i = 0; i < 8; i++) frame({src: here.replace("127.0.0.1", "localhost") + "?go"})

// frame-source (browser): A frame gets a document of 1 MB by srcdoc, for ever; the browser carries it.
const srcdoc = "<p>text".repeat(150000)
every(() => document.body.replaceChildren(element("iframe", {srcdoc})))

// frame-moves: 50 frames navigate as soon as they have loaded.
let n = 0
for (let i = 0; i < 50; i++) {
	const f = frame({src: at + "small?" + n++})
	f.onload = () => f.src = at + "small?" + n++
}
