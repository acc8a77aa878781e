// dialog-alerts: Alerts without end hold the main thread.
for (;;) alert("again")

// dialog-prompts: Prompts have a text of 1 MB, which DevTools is told of.
const text = "x".repeat(1e6)
for (;;) prompt(text, text)

// dialog-confirms: 20 frames of the page ask in turn.
for (let i = 0; i < 20; i++) {
	frame({srcdoc: "<script>setInterval(() => confirm('again'), 0)<\/script>"})
}

// dialog-print: The page asks to be printed, for ever.
show("<p>text".repeat(5000))
for (;;) print()

// dialog-files: A file input is clicked for ever.
const input = element("input", {type: "file"})
every(() => input.click())

// dialog-permissions: Permissions are asked for without end.
every(() => {
	navigator.geolocation.getCurrentPosition(() => 0, () => 0)
	window.Notification?.requestPermission()
	navigator.permissions.query({name: "camera"})
	document.body.requestFullscreen().catch(() => 0)
}, 50)
