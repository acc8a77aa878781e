// loop-empty: An empty loop burns one core.
for (;;);

// loop-regex: A regular expression backtracks for ever.
/^(a+)+$/.test("a".repeat(60) + "b")

// loop-sort: The comparison of a sort never ends.
Array.from({length: 1e5}, Math.random).sort((a, b) => { for (;;) a - b })

// loop-json: A text of 16 MB is parsed again and again.
const text = JSON.stringify(Array(2e6).fill({a: 1}))
for (;;) JSON.parse(text)

// loop-wasm: A loop of WebAssembly burns one core.
const code = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
	10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11]
new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code))).exports.f()

// loop-bigint: A number of 95 million bits is multiplied by itself.
const n = 3n ** 60000000n
for (;;) n * n

// loop-request: A synchronous request waits for a server that never answers.
ask("hang")

// loop-stack: A recursion overflows its stack, again and again.
const deeper = n => deeper(n + 1) + 1
for (;;) try { deeper(0) } catch { }
