// layout-thrash: Each change of a style is followed by a layout of 5,000 boxes.
show("<div style='float: left'>box</div>".repeat(5000))
relayout()

// layout-tables: Tables are nested 200 deep.
show("<table><tr><td>a<td>".repeat(200))
relayout()

// layout-grid: A grid of 300 columns has 20,000 items that span seven of them.
show(`<div style="display: grid; grid-template-columns: repeat(300, minmax(min-content, 1fr))">` +
	"<i style='grid-column: span 7'>word</i>".repeat(20000))
relayout()

// layout-flex: Flex boxes are nested 150 deep; each parent measures its children again.
const flex = "display: flex; flex-wrap: wrap; min-height: min-content"
show(`<div style="${flex}">a<div style="height: 100%">`.repeat(150))
relayout()

// layout-selectors: Selectors with :has look through 20,000 elements after each change.
let rules = ""
for (let i = 0; i < 200; i++) {
	rules += `div:has(.c${i} ~ p > b) i:nth-last-child(3n of .d${i}) { color: red }`
}
show(`<style>${rules}</style>` + "<div><p class=c1><b>x</b><i>y</i></p></div>".repeat(5000))
relayout(n => document.body.children[n % 5000 + 1].firstChild.className = "c" + n % 200)

// layout-text: A word of 3 million letters of both directions is broken into lines.
document.body.style.wordBreak = "break-all"
document.body.textContent = "a\u05d0b\u0627\u0301".repeat(600000)
relayout()

// layout-columns: Columns in columns, five deep, break 5,000 paragraphs.
show("<div style='columns: 3; height: 200px'>".repeat(5) +
	"<p style='break-inside: avoid'>text of a paragraph".repeat(5000))
relayout()
