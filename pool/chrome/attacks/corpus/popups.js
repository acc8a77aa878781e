// popup-many: Windows are opened for ever.
every(() => open("about:blank"), 10)

// popup-written: Windows are opened and written into for ever.
every(() => open("about:blank")?.document.write("<p>text".repeat(10000)))

// popup-links: Links to new windows without an opener are clicked for ever.
const a = element("a", {target: "_blank", rel: "noopener", href: at + "small"})
document.body.append(a)
every(() => a.click(), 10)

// popup-loops: Two windows share their opener's thread and loop.
if (location.search) for (;;);
open(here + "?go")
open(here + "?go")

// popup-nested: A window without an opener opens windows for ever.
if (location.search) every(() => open("about:blank", "", "noopener"), 5)
else open(here + "?go", "", "noopener")

// popup-closes: Windows are opened and closed for ever.
every(() => open("about:blank")?.close())

// popup-moves: One named window is sent to another address for ever.
let n = 0
every(() => open(at + "small?" + n++, "named"))
