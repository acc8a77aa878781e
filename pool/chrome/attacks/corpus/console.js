// console-lines: Lines are logged for ever.
for (let n = 0; ; n++) console.log("line", n)

// console-large: Lines of 10 MB are logged for ever.
const text = "x".repeat(1e7)
every(() => console.log(text + Math.random()))

// console-objects: Tables of objects with 100 properties are logged for ever.
const pairs = Array.from({length: 100}, (_, i) => ["p" + i, {a: [i], b: document.body}])
const all = [Object.fromEntries(pairs), Object.fromEntries(pairs)]
for (;;) console.table(all)

// console-errors: Errors are thrown that nobody catches, for ever.
every(i => setTimeout(() => { throw new Error("error " + i) }), 100)

// console-large-errors (browser): An error that nobody catches has a text of 50 MB, again and again.
const text = "x".repeat(5e7)
setInterval(() => { throw new Error(text) }, 0)

// console-rejections: Promises are rejected that nobody handles, for ever.
every(i => { Promise.reject(new Error("rejected " + i)) }, 200)
