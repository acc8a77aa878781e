// draw-webgl: A shader never ends. The launcher switches 3D off, so there is none.
const gl = element("canvas", {width: 2000, height: 2000}).getContext("webgl2")
if (!gl) return
const p = gl.createProgram()
const add = (type, text) => {
	const s = gl.createShader(type)
	gl.shaderSource(s, "#version 300 es\nprecision highp float;" + text)
	gl.compileShader(s)
	gl.attachShader(p, s)
}
add(gl.VERTEX_SHADER, `void main() {
	gl_Position = vec4(gl_VertexID % 2 * 4 - 1, gl_VertexID / 2 * 4 - 1, 0, 1);
}`)
add(gl.FRAGMENT_SHADER, `out vec4 c; void main() {
	float x = 0.;
	for (int i = 0; i >= 0; i += 2) { x += sin(x); if (x > 1e9) i = 0; }
	c = vec4(x);
}`)
gl.linkProgram(p)
gl.useProgram(p)
gl.drawArrays(gl.TRIANGLES, 0, 3)
gl.finish()

// draw-backdrop (gpu): 200 layers of 6,000 pixels blur what is behind them.
const size = "position: absolute; width: 6000px; height: 6000px"
show(`<div style="${size}; backdrop-filter: blur(50px) hue-rotate(9deg)"></div>`.repeat(200))

// draw-filter (gpu): 50 moving layers of 3,000 pixels are filled with turbulence.
const size = "position: absolute; width: 3000px; height: 3000px"
show(`<svg width=0 height=0><filter id=f><feTurbulence baseFrequency=.9 numOctaves=10 />
	<feGaussianBlur stdDeviation=40 /></filter></svg>` +
	`<div style="${size}; filter: url(#f); will-change: transform">x</div>`.repeat(50))
paint(n => {
	for (const e of document.querySelectorAll("div")) e.style.transform = `translate(${n++ % 50}px)`
})

// draw-layers: 2,000 layers of 2,000 pixels turn in each frame.
const size = "position: absolute; width: 2000px; height: 2000px; will-change: transform, opacity"
const look = size + "; opacity: .9; background: linear-gradient(red, blue)"
show(`<div style="${look}">x</div>`.repeat(2000))
paint(n => {
	for (const e of document.body.children) e.style.transform = `rotate(${n++ % 360}deg)`
})

// draw-canvas: Blurred shadows are drawn on a canvas of 4,000 x 4,000 pixels.
const c = document.body.appendChild(element("canvas", {width: 4000, height: 4000}))
const x = Object.assign(c.getContext("2d"), {shadowBlur: 200, shadowColor: "red"})
paint(() => {
	for (let i = 0; i < 50; i++) x.fillRect(Math.random() * 3000, Math.random() * 3000, 800, 800)
})

// draw-pictures: A canvas of 3,000 x 3,000 pixels is encoded and read again and again.
const c = element("canvas", {width: 3000, height: 3000}), x = c.getContext("2d")
for (let n = 0; ; n++) {
	x.fillRect(n % 3000, 0, 9, 3000)
	c.toDataURL()
	x.getImageData(0, 0, 3000, 3000)
}

// draw-svg: A picture uses itself ten times, seven levels deep.
let parts = "<g id=g0><circle r=5 fill=red /></g>"
for (let i = 1; i < 8; i++) parts += `<g id=g${i}>${`<use href=#g${i - 1} x=3 />`.repeat(10)}</g>`
show(`<svg width=2000 height=2000>${parts}</svg>`)

// draw-animations: 3,000 boxes are animated with shadows and gradients.
show(`<style>
	@keyframes k { to { box-shadow: 0 0 90px red; background: linear-gradient(red, blue) } }
	i { float: left; width: 30px; height: 30px; animation: k 1s infinite alternate }
</style>` + "<i></i>".repeat(3000))
