// navigate-fragment (browser): The fragment of the address has 2 MB and changes for ever.
let n = 0
every(() => location.replace("#" + n++ + "x".repeat(2e6 - 99)))

// navigate-push (browser): pushState sets addresses of 2 MB, for ever.
let n = 0
every(() => history.pushState(0, "", "#" + n++ + "x".repeat(2e6 - 99)))

// navigate-refresh: A page refreshes itself as it loads.
if (!location.search) location = here + "?go"
document.head.innerHTML = `<meta http-equiv=refresh content="0; url=${here}?go">`

// navigate-reload: A page reloads itself as it loads.
if (location.search) location.reload()
else location = here + "?go"

// navigate-redirect: A redirect leads to the next; the page begins again ten times a second.
let n = 0
every(() => location = at + "redirect?" + (n += 100), 1, 100)

// navigate-form (browser): A form of 1 MB is sent again before the answer is there.
show("<form method=post><textarea name=t></textarea></form>")
const form = document.forms[0]
form.action = here + "?go"
form.t.value = "x".repeat(1e6)
every(() => form.submit())

// navigate-history: A page goes back and forth in a history of 50 entries.
for (let i = 0; i < 50; i++) history.pushState(i, "", "#" + i)
every(i => history.go(i % 2 ? 7 : -7), 20)

// navigate-blob: A page goes to a document of its own making, which does the same.
const html = `<script>setTimeout(() => {
	const text = document.documentElement.outerHTML
	location = URL.createObjectURL(new Blob([text], {type: "text/html"}))
})<\/script>`
location = URL.createObjectURL(new Blob([html], {type: "text/html"}))
