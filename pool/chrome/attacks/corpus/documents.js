// dom-append: Elements are appended for ever.
for (let n = 0; ; n++) document.body.append(element("p", {textContent: n}))

// dom-deep: Elements are nested 100,000 deep.
let e = document.body
for (let i = 0; i < 100000; i++) e = e.appendChild(element("b"))
e.offsetTop

// dom-replace: The body is parsed anew for ever.
const html = "<div><p>text<b>bold</b></div>".repeat(5000)
for (;;) show(html)

// dom-attributes: 20 attributes of 1 MB change in each task; DevTools is told of changes.
let n = 0
every(i => document.body.setAttribute("a" + i, "x".repeat(1e6) + n++), 20)

// dom-elements: A custom element makes the next one when it is connected.
customElements.define("x-x", class extends HTMLElement {
	connectedCallback() {
		this.remove()
		queueMicrotask(() => document.body.append(element("x-x")))
	}
})
document.body.append(element("x-x"))

// dom-entities: An XML document has entities of entities, again and again.
let x = "<!DOCTYPE a [<!ENTITY a0 'aaaaaaaaaa'>"
for (let i = 1; i < 12; i++) x += `<!ENTITY a${i} '${`&a${i - 1};`.repeat(10)}'>`
for (;;) new DOMParser().parseFromString(x + "]><a>&a11;</a>", "text/xml")
