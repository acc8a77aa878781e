// task-promises: A promise whose reaction makes the next one starves the event loop.
const next = () => Promise.resolve().then(next)
return next()

// task-thenables: Each microtask queues two.
const twice = () => { queueMicrotask(twice); queueMicrotask(twice) }
twice()

// task-observer: A MutationObserver changes what it observes.
const append = () => document.body.append("x")
new MutationObserver(append).observe(document.body, {childList: true})
append()

// task-timers: A thousand timers work for 5 ms each.
for (let i = 0; i < 1000; i++) setInterval(work, 0, 5)

// task-frames: Each animation frame asks for two, up to 1,000, and works for 1 ms.
let n = 0
const frame = () => {
	work(1)
	requestAnimationFrame(frame)
	if (n++ < 1000) requestAnimationFrame(frame)
}
frame()

// task-ports: Messages of 1 MB go round through a port.
const {port1, port2} = new MessageChannel(), text = "x".repeat(1e6)
port1.onmessage = () => port2.postMessage(text)
for (let i = 0; i < 20; i++) port2.postMessage(text)

// task-messages: Each message to its own window sends two.
onmessage = () => { postMessage(0); postMessage(0) }
postMessage(0)

// task-idle: Idle callbacks and timers take all the time that is left.
const idle = () => { work(49); requestIdleCallback(idle); setTimeout(work, 0, 49) }
idle()
