// Colours of Okabe and Ito, which colour-blind people tell apart; every cell has its state as text besides.
const colours = {
  opening: "#56b4e9", standby: "#e4e4e4", idle: "#f0e442", probing: "#cc79a7", rescuing: "#d55e00",
  resetting: "#e69f00", leased: "#009e73", closing: "url(#hatch)", lost: "#1a1a1a", waits: "#0072b2",
};
const dark = new Set(["leased", "lost", "waits", "rescuing"]);
const rowHeight = 24, left = 66, top_ = 20;
const page = JSON.parse(document.getElementById("data").textContent); // which is faster to read than script
let at = 0, scale = "step", key = "";

const find = (id) => document.getElementById(id);
function node(name, attributes, ...children) {
  const n = document.createElement(name);
  for (const [k, v] of Object.entries(attributes || {})) k.startsWith("on") ? n.addEventListener(k.slice(2), v) : n.setAttribute(k, v);
  n.append(...children.filter((c) => c !== null && c !== undefined));
  return n;
}
function shape(name, attributes, text) {
  const n = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) n.setAttribute(k, v);
  if (text !== undefined) n.textContent = text;
  return n;
}
function time(ns) {
  const s = ns / 1e9, pad = (v, n) => String(v).padStart(n, "0");
  if (s < 60) return +s.toFixed(6) + "s";
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = (s % 60).toFixed(3);
  return (h ? h + "h" : "") + (h ? pad(m, 2) : m) + "m" + rest + "s";
}

// lanesOf are the rows of a run: the slots that MaxPages and the spare make, and the callers.
function lanesOf(run) {
  if (run.lanes) return run.lanes;
  let slots = run.capacity + 1, callers = 0;
  for (const s of run.steps) {
    for (const c of s.slots || []) slots = Math.max(slots, c.lane + 1);
    for (const c of s.callers || []) callers = Math.max(callers, c.lane + 1);
  }
  return (run.lanes = { slots, callers });
}

// stretches are the runs of equal cells in a lane.
function stretches(run, kind, lane) {
  const list = [];
  run.steps.forEach((s, i) => {
    const cell = (s[kind] || []).find((c) => c.lane === lane), last = list[list.length - 1];
    if (last && last.to === i && cell && last.cell.short === cell.short && last.cell.key === cell.key) last.to = i + 1;
    else if (cell) list.push({ from: i, to: i + 1, cell });
  });
  return list;
}

function xOf(run, width) {
  const n = run.steps.length;
  if (scale === "step") return (i) => left + (i * (width - left)) / n;
  const begin = run.steps[0].at, end = Math.max(run.steps[n - 1].at, begin + 1), tail = (width - left) * 0.02;
  return (i) => (i >= n ? width : left + ((run.steps[i].at - begin) * (width - left - tail)) / (end - begin));
}

// paint draws the steps of a run, and returns the picture and the names of its rows.
function paint(run, lanes, x, width) {
  const rows = lanes.slots + lanes.callers, height = top_ + rows * rowHeight + 20;
  const svg = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "slots and callers over " + scale });
  const lane = (kind, i, row) => {
    const y = top_ + row * rowHeight;
    svg.append(shape("line", { x1: left, x2: width, y1: y + rowHeight - 0.5, y2: y + rowHeight - 0.5, stroke: "#ddd" }));
    for (const s of stretches(run, kind, i)) svg.append(cell(s, x(s.from), x(s.to), y, run));
  };
  // The names of the rows stay in sight where the picture is scrolled.
  const names = [], name = (y, text) => {
    names.push(shape("rect", { x: 0, y: y + 2, width: left - 4, height: rowHeight - 5, fill: "#fff" }), shape("text", { x: 2, y: y + 16 }, text));
  };
  for (let i = 0; i < lanes.slots; i++) lane("slots", i, i);
  for (let i = 0; i < lanes.callers; i++) lane("callers", i, lanes.slots + i);
  for (let i = 0; i < lanes.slots; i++) name(top_ + i * rowHeight, "slot " + (i + 1));
  for (let i = 0; i < lanes.callers; i++) name(top_ + (lanes.slots + i) * rowHeight, "caller " + (i + 1));
  const limit = top_ + (run.capacity + 1) * rowHeight;
  svg.append(shape("line", { x1: 0, x2: width, y1: limit, y2: limit, stroke: "#1a1a1a", "stroke-width": 1.5 }));
  svg.append(...names);
  svg.append(shape("text", { x: 2, y: height - 6 }, `the line is MaxPages + 1 = ${run.capacity + 1}; ▼ is a deviation`));
  if (scale === "time") ticks(run, x, width, height).forEach((t) => svg.append(t));
  run.steps.forEach((s, i) => {
    if (s.strays) svg.append(shape("text", { x: x(i) - 1, y: 14, class: "fault" }, "▼"));
    if (s.number === run.noReturn) svg.append(shape("line", { class: "noreturn", x1: x(i + 1), x2: x(i + 1), y1: 0, y2: height - 18 }));
  });
  return { svg, names, height };
}

// ticks are the times under a picture that is drawn across time.
function ticks(run, x, width, height) {
  const first = run.steps[0].at, last = run.steps[run.steps.length - 1].at;
  if (first === last) return [shape("text", { x: width / 2, y: height - 6 }, `all steps are at ${time(first)}: look across steps`)];
  const from = x(0), to = x(run.steps.length - 1);
  return [0.5, 0.75, 1].map((share) => shape("text", { x: from + share * (to - from), y: height - 6, "text-anchor": "end" }, time(first + share * (last - first)) + " |"));
}

// cell draws one state of a slot or of a caller. With a filter, what is of other affinities is dim.
function cell(s, x0, x1, y, run) {
  const w = Math.max(1, x1 - x0), g = shape("g", { class: key && s.cell.key !== key ? "dim" : "", "data-state": s.cell.state });
  g.append(shape("rect", { x: x0, y: y + 2, width: w, height: rowHeight - 5, fill: colours[s.cell.state] || "#ccc", stroke: "#555", "stroke-width": 0.6 }));
  g.append(shape("title", {}, s.cell.short + (s.cell.key ? " · " + s.cell.key : "") + labelOf(run, s.cell)));
  const fits = Math.floor((w - 6) / 6.2);
  if (fits < 2) return g;
  const label = s.cell.short.length > fits ? s.cell.short.slice(0, fits - 1) + "…" : s.cell.short;
  if (s.cell.state === "closing") g.append(shape("rect", { x: x0 + 2, y: y + 5, width: label.length * 6.3 + 2, height: 13, fill: "#fff", opacity: 0.85 }));
  g.append(shape("text", { x: x0 + 3, y: y + 16, class: dark.has(s.cell.state) ? "dark" : "" }, label));
  return g;
}

// labelOf is what a caller's request is for, where the dump says it.
function labelOf(run, cell) {
  const label = (run.labels || {})[cell.short.split(" ")[0]];
  return label ? " · " + label : "";
}

function draw(run, view) {
  const lanes = lanesOf(run), n = run.steps.length;
  const perStep = n <= 40 ? 62 : n <= 150 ? 30 : n <= 600 ? 12 : 6;
  const room = Math.max(280, view.picture.clientWidth - 2 || 1000);
  const width = scale === "step" ? Math.max(room, left + n * perStep) : Math.max(room, 900);
  const x = xOf(run, width), { svg, names, height } = paint(run, lanes, x, width);
  view.x = x;
  view.picture.onscroll = () => { for (const n of names) n.setAttribute("transform", `translate(${view.picture.scrollLeft} 0)`); };
  view.cursor = shape("line", { class: "cursor", y1: 0, y2: height - 18 });
  svg.append(view.cursor);
  view.picture.replaceChildren(svg);
  const pick = (e) => {
    const box = svg.getBoundingClientRect(), px = ((e.clientX - box.left) * width) / box.width, py = ((e.clientY - box.top) * height) / box.height;
    let i = 0;
    while (i + 1 < n && x(i + 1) <= px) i++;
    const row = Math.floor((py - top_) / rowHeight) - lanes.slots;
    const caller = (run.steps[i].callers || []).find((c) => c.lane === row);
    if (caller) view.follow = caller.short.split(" ")[0];
    go(view, i);
  };
  svg.addEventListener("click", pick);
  svg.addEventListener("pointermove", (e) => { if (e.buttons === 1 && e.pointerType === "mouse") pick(e); });
}

// go moves the cursor: in its own run to a step, in the other one to the same instant.
function go(view, i) {
  const n = view.run.steps.length;
  at = view.at = Math.max(0, Math.min(n - 1, i));
  for (const other of views) {
    if (other === view) continue;
    const now = view.run.steps[at].at, all = other.run.steps;
    other.at = 0;
    while (other.at + 1 < all.length && all[other.at + 1].at <= now) other.at++;
  }
  for (const v of views) show(v);
}

function list(title, items, none) {
  const all = items && items.length ? items : none ? [node("span", { class: "soft" }, none)] : [];
  return all.length ? node("section", {}, node("h3", {}, title), node("ul", {}, ...all.map((i) => node("li", {}, i)))) : null;
}

// listed is a list that a step has only where it is not that of the step before.
function listed(run, i, kind) {
  while (i > 0 && !run.steps[i][kind]) i--;
  return run.steps[i][kind] || [];
}

// namesOf are the lines of such a list; what is not as it was in the step before is marked.
function namesOf(run, i, kind) {
  const before = i > 0 ? listed(run, i - 1, kind) : null;
  return listed(run, i, kind).map((text) => node("span", { class: before && !before.includes(text) ? "changed" : "" }, text));
}

// mostParts is how many parts of a wait are told one by one.
const mostParts = 12;

// story is how a request waited: stretches of steps in which it waited for the same, and the same
// tabs were in its way; where these change too often, for the same.
function story(run, request) {
  const all = parts(run, request, (w) => w.for + (w.by ? ": " + w.by : ""));
  return all.length <= mostParts ? all : parts(run, request, (w) => w.for);
}

function parts(run, request, why) {
  const all = [];
  run.steps.forEach((s, i) => {
    const w = (s.waits || []).find((w) => w.request === request), last = all[all.length - 1];
    if (!w) return;
    const end = run.steps[i + 1] ? run.steps[i + 1].at : s.at;
    if (last && last.to === i - 1 && last.why === why(w)) Object.assign(last, { to: i, end, bypassed: w.bypassed });
    else all.push({ from: i, to: i, why: why(w), begin: s.at, end, bypassed: w.bypassed });
  });
  return all;
}

// followed is the request whose whole wait is told: the one that was clicked, or else the first that waits here.
function followed(view, s) {
  const waits = (s.waits || []).map((w) => w.request), here = (r) => waits.includes(r) || (s.callers || []).some((c) => c.short.split(" ")[0] === r);
  return view.follow && here(view.follow) ? view.follow : waits[0];
}

function storyOf(view, s) {
  const request = followed(view, s), all = request ? story(view.run, request) : [];
  const often = (n) => (n ? ", overtaken " + (n === 1 ? "once" : n + " times") + " by then" : "");
  return list(`The whole wait of ${request}`, all.map((p) => node("span", { class: view.at >= p.from && view.at <= p.to ? "taken" : "" },
    node("button", { class: "jump", onclick: () => { view.follow = request; go(view, p.from); } }, `${time(p.end - p.begin)} for ${p.why}`),
    ` from step ${view.run.steps[p.from].number}${often(p.bypassed)}`)));
}

// choices are what could have happened: what is usual in sight, the faults folded.
function choices(run, s) {
  const line = (c) => node("li", {}, node("span", { class: (c.taken ? "taken " : "") + (c.fault ? "chance" : "") }, c.label + (c.fault ? " (a fault)" : "") +
    (c.default && run.untimed ? " (the default policy)" : "") + (c.taken ? " ← this happened" : "")));
  // A choice is the number of its label in the menu, and three bits: a fault, the default, taken.
  const all = (s.choices || []).map((c) => ({ label: run.menu[c >> 3], fault: c & 1, default: c & 2, taken: c & 4 })), usual = all.filter((c) => !c.fault || c.taken), faults = all.filter((c) => c.fault && !c.taken);
  if (!all.length) return null;
  return node("section", {}, node("h3", {}, "What could have happened instead, in the state before this step"), node("ul", {}, ...usual.map(line)),
    faults.length ? node("details", {}, node("summary", {}, `or one of ${faults.length} faults`), node("ul", {}, ...faults.map(line))) : null);
}

function show(view) {
  const run = view.run, s = run.steps[view.at], x0 = view.x(view.at), mid = scale === "step" ? x0 + 4 : x0 + 1;
  view.cursor.setAttribute("x1", mid);
  view.cursor.setAttribute("x2", mid);
  const pic = view.picture;
  if (mid < pic.scrollLeft + left || mid > pic.scrollLeft + pic.clientWidth - 40) pic.scrollLeft = mid - pic.clientWidth / 2;
  pic.onscroll();
  pic.setAttribute("aria-valuenow", s.number);
  pic.setAttribute("aria-valuetext", `step ${s.number}: ${s.event}`);
  const cells = (all) => (all || []).map((c) => node("span", { class: (c.changed ? "changed " : "") + (key && c.key !== key ? "soft" : "") },
    c.long || c.short + (c.key ? " · " + c.key : "") + labelOf(run, c)));
  const strays = s.strays ? node("p", { class: "chance" }, "Deviates from the default policy: " + s.strays) : null;
  const back = run.noReturn && s.number >= run.noReturn ? node("p", { class: "chance" }, s.number === run.noReturn
    ? "The point of no return: from here on, nothing that a fair browser does avoids the end." : "After the point of no return.") : null;
  view.panel.replaceChildren(
    node("p", { class: "event" }, `step ${s.number} of ${run.total}, ${time(s.at)}: ${(s.acts || []).concat(s.event).join("; ")}`),
    ...[strays, back].filter(Boolean),
    node("p", { class: "soft" }, `capacity ${s.capacity}, alive ${s.alive}, waiting ${s.waiting}, orphans ${s.orphans}`),
    node("div", { class: "step" }, ...[
      list("Who waits, and why", (s.waits || []).map((w) => node("span", { class: key && w.key !== key ? "soft" : "why" }, w.text)), "nobody waits"),
      storyOf(view, s),
      list("What the pool decided", s.effects, "nothing"),
      list("Slots", cells(s.slots), "no tab"),
      list("Callers", cells(s.callers), "nobody"),
      list("Gone in this step", (s.gone || []).map((g) => node("span", { class: "gone" }, g))),
      list("Browsers", namesOf(run, view.at, "browsers"), "none"),
      list("Affinities", namesOf(run, view.at, "affinities"), "none is warm"),
      list("Due next", s.due),
      choices(run, s),
    ].filter(Boolean)));
}

// jump leads to a step; where the page has it not, it says which command shows it.
function jump(run, number, text, follow) {
  return node("button", { class: "jump", onclick: () => jumpTo(run, number, follow) }, text);
}

function jumpTo(run, number, follow) {
  const view = views[page.runs.indexOf(run)], last = run.steps[run.steps.length - 1].number;
  find("notice").replaceChildren();
  if (number < run.steps[0].number || number > last) {
    find("notice").append(`step ${number} is not on this page, which has ${run.steps[0].number} to ${last}: `,
      node("code", {}, `${page.again || "soak view FILE"} -first ${Math.max(1, number - 20)}`));
    return;
  }
  let i = run.steps.findIndex((s) => s.number >= number);
  if (follow) {
    view.follow = follow;
    const longest = story(run, follow).sort((a, b) => b.end - b.begin - (a.end - a.begin))[0];
    if (longest) i = longest.from;
  }
  go(view, i);
}

function verdict() {
  const host = find("verdict");
  for (const run of page.runs) {
    const name = page.runs.length > 1 ? run.name + ": " : "";
    const bad = run.broken || (run.failed || []).length;
    const box = node("div", { class: bad ? "broken" : "held" });
    if (run.broken) box.append(node("p", {}, name + "broken: " + run.broken), node("p", { class: "soft" }, run.says || ""));
    const failed = (run.failed || []).map((f) => node("li", {}, f));
    if (failed.length) box.append(node("details", failed.length <= 3 ? { open: "" } : {}, node("summary", {}, `${name}${failed.length} expectations failed`), node("ul", {}, ...failed)));
    if (!bad) box.append(node("p", {}, name + "every claim and every expectation held"));
    const lead = (run.comments || []).filter((c) => !run.says || !c.endsWith(run.says)), told = run !== page.runs[0] && String(lead) === String(page.runs[0].comments);
    if (lead.length && !told) box.append(node("details", lead.length <= 4 ? { open: "" } : {}, node("summary", {}, "what its trace says of it"),
      node("blockquote", { class: "comments" }, ...lead.flatMap((c) => [c, /[.:;]$/.test(c) ? node("br") : " "]))));
    const strays = run.steps.filter((s) => s.strays);
    if (strays.length) {
      const shown = strays.slice(0, 12).map((s) => node("li", {}, jump(run, s.number, `step ${s.number}, ${(s.acts || []).concat(s.event).join("; ")}: ${s.strays}`)));
      box.append(node("details", strays.length <= 6 ? { open: "" } : {}, node("summary", {}, `${strays.length} deviation${strays.length > 1 ? "s" : ""} from the default policy: what the simulation did to the pool on purpose`), node("ul", {}, ...shown,
        ...(strays.length > 12 ? [node("li", {}, `and ${strays.length - 12} more`)] : []))));
    }
    if (run.noReturn) box.append(node("p", {}, jump(run, run.noReturn, `the point of no return is step ${run.noReturn}`)));
    if (run.steps.length < run.total) box.append(node("p", { class: "soft" }, `steps ${run.steps[0].number} to ${run.steps[run.steps.length - 1].number} of ${run.total} are on this page; `,
      node("code", {}, (page.again || "soak view FILE") + " -first N"), " shows others"));
    box.append(node("p", { class: "soft" }, "settings: " + (run.settings ? run.settings + "; the others have their defaults" : "the defaults")));
    host.append(box);
  }
  figures(host);
  if (page.runs.length === 2) host.append(page.differs ? node("p", {}, jump(page.runs[0], page.differs,
    `the runs differ from step ${page.differs} on; from there, steps of the same instant stand side by side`)) : node("p", {}, "both runs are the same"));
}

// figures are what the callers of each run got; a figure leads to where it can be seen, a wait to its longest part.
function figures(host) {
  const cell = (run, f) => node("td", {}, f && f.step ? jump(run, f.step, f.value, (/\((r\d+)[,)]/.exec(f.value) || [])[1]) : (f || {}).value || "");
  const rows = (page.runs[0].figures || []).map((f, i) => node("tr", {}, node("th", {}, f.name), ...page.runs.map((run) => cell(run, (run.figures || [])[i]))));
  const names = page.runs.length > 1 ? [node("tr", {}, node("th", {}), ...page.runs.map((run) => node("th", {}, run.name)))] : [];
  if (rows.length) host.append(node("table", {}, ...names, ...rows));
}

// handOver opens the viewer and gives it the timeline once it answers, by its documented protocol.
async function handOver() {
  const button = find("viewer"), buffer = await (await fetch("timeline.json")).arrayBuffer();
  const viewer = window.open(page.viewer + "/");
  if (!viewer) { button.textContent = "the browser opened no window: allow pop-ups here"; return; }
  const ping = setInterval(() => viewer.postMessage("PING", page.viewer), 100);
  window.addEventListener("message", function heard(e) {
    if (e.data !== "PONG" || e.origin !== page.viewer) return;
    clearInterval(ping);
    window.removeEventListener("message", heard);
    viewer.postMessage({ perfetto: { buffer, title: page.title, fileName: "pagepool.json" } }, page.viewer);
  });
}

const views = page.runs.map((run, i) => {
  const picture = node("div", { class: "picture", tabindex: "0", role: "slider", "aria-label": "step", "aria-valuemin": run.steps[0].number,
    "aria-valuemax": run.steps[run.steps.length - 1].number });
  const panel = node("div", { class: "panel", "aria-live": "polite" });
  const over = node("div", { class: "overview" }), paper = node("div", { class: "paper" });
  const box = node("div", { class: "run", id: "run" + (i + 1) }, page.runs.length > 1 ? node("h2", {}, run.name) : null, over, picture, panel, paper);
  find("runs").append(box);
  return { run, over, paper, picture, panel, at: 0, follow: "" };
});
if (views.length > 1) find("runs").classList.add("two");
const redraw = () => {
  for (const v of views) overview(v.run, v), draw(v.run, v);
  for (const v of views) show(v);
};
const keys = new Set();
for (const v of views) for (const s of v.run.steps) for (const c of (s.slots || []).concat(s.callers || [])) if (c.key) keys.add(c.key);
find("key").append(...[...keys].sort().map((k) => node("option", { value: k }, k)));
find("key").addEventListener("change", (e) => { key = e.target.value; redraw(); });
find("scale").addEventListener("change", (e) => { scale = e.target.value; redraw(); });
const move = {
  first: () => 0, back: (v) => v.at - 1, next: (v) => v.at + 1, last: (v) => v.run.steps.length - 1, far: (v) => v.at + 10, near: (v) => v.at - 10,
  stray: (v) => { const i = v.run.steps.findIndex((s, j) => j > v.at && s.strays); return i < 0 ? v.at : i; },
};
for (const id of ["first", "back", "next", "last", "stray"]) find(id).addEventListener("click", () => go(views[0], move[id](views[0])));
document.addEventListener("keydown", (e) => {
  if (e.target.tagName === "SELECT" || e.ctrlKey || e.metaKey || e.altKey) return;
  const does = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", PageDown: "far", PageUp: "near", d: "stray" }[e.key];
  if (!does) return;
  e.preventDefault();
  const own = views.find((v) => v.picture === document.activeElement) || views[0];
  go(own, move[does](own));
});
find("legend").append(...Object.entries(colours).map(([s, c]) => node("span", { class: "swatch",
  style: (c.startsWith("url") ? "background:repeating-linear-gradient(45deg,#fff,#fff 3px,#999 3px,#999 6px)" : "background:" + c) + (dark.has(s) ? ";color:#fff" : "") }, s)));
if (page.viewer) { find("viewer").hidden = false; find("viewer").addEventListener("click", handOver); }
find("open").append(page.viewer ? "Without a network: " : "As a timeline: ", node("code", {}, page.open), ", and open the file at ui.perfetto.dev or in about:tracing.");
find("stray").disabled = !views[0].run.steps.some((s) => s.strays);
verdict();
const end = views[0].run, number = page.differs || end.noReturn || (end.broken ? end.total : 0);
for (const v of views) overview(v.run, v), draw(v.run, v);
go(views[0], Math.max(0, end.steps.findIndex((s) => s.number >= number)));
addEventListener("resize", redraw);
addEventListener("beforeprint", paper);
matchMedia("print").addEventListener("change", (e) => { if (e.matches) paper(); });
