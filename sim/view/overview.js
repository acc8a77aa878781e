"use strict";
// clock is an instant of a long run, to the second.
function clock(ns) {
  const s = Math.round(ns / 1e9), pad = (v) => String(v).padStart(2, "0");
  return s < 600 ? s + "s" : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
}

// overview draws a whole run of which the page has a part of the steps: what the slots did, how many waited, and
// what went wrong, in columns of equal time. A click leads to a step of the column.
function overview(run, view) {
  const o = run.overview;
  if (!o) return;
  const room = Math.max(280, view.picture.clientWidth || 1000), n = o.first.length, w = (room - left) / n, h = 18;
  const rows = o.slots.length + 2, axis = rows * h + 4, height = axis + 16, most = Math.max(1, ...o.waited);
  const svg = shape("svg", { width: room, height, viewBox: `0 0 ${room} ${height}`, role: "img", "aria-label": "the whole run over time" });
  const name = (row, text) => svg.append(shape("text", { x: 2, y: row * h + 13 }, text),
    shape("line", { x1: left, x2: room, y1: (row + 1) * h - 0.5, y2: (row + 1) * h - 0.5, stroke: "#ddd" }));
  const bar = (col, y, high) => `M${(left + col * w).toFixed(1)} ${y.toFixed(1)}h${w.toFixed(2)}v${high.toFixed(1)}h${(-w).toFixed(2)}z`;
  o.slots.forEach((lane, row) => {
    const below = new Array(n).fill(0); // what of each column is drawn already
    for (const state of Object.keys(colours).filter((s) => lane[s])) {
      let d = "";
      lane[state].forEach((share, col) => {
        if (!share) return;
        const high = (share * (h - 2)) / 100;
        d += bar(col, (row + 1) * h - 1 - below[col] - high, high);
        below[col] += high;
      });
      const path = shape("path", { d, fill: colours[state], "data-state": state });
      path.append(shape("title", {}, `slot ${row + 1} ${state}`));
      svg.append(path);
    }
    name(row, "slot " + (row + 1));
  });
  const waiting = o.slots.length, faults = waiting + 1;
  svg.append(shape("path", { fill: colours.waits, d: o.waited.map((k, col) => (k ? bar(col, (waiting + 1) * h - 1 - (k * (h - 2)) / most, (k * (h - 2)) / most) : "")).join("") }));
  name(waiting, `wait, to ${most}`);
  const worst = Math.max(1, ...(o.faults || []).map((f) => f.n));
  name(faults, `faults, to ${worst}`);
  for (const f of o.faults || []) {
    const g = shape("g", { class: "fault" + (f.broken ? " broken" : "") });
    const high = f.broken ? h : 3 + ((h - 5) * f.n) / worst;
    g.append(shape("title", {}, `step ${f.step}: ${f.text}` + (f.n > 1 ? `, and ${f.n - 1} more` : "")),
      shape("rect", { x: left + f.c * w, y: (faults + 1) * h - 1 - high, width: Math.max(2, w), height: high }));
    svg.append(g);
  }
  const px = (ns) => left + ((ns - run.begin) * w) / o.column;
  for (let i = 0; i <= 4; i++) {
    const col = (i * n) / 4;
    svg.append(shape("text", { x: left + col * w, y: axis + 10, "text-anchor": i === 4 ? "end" : i ? "middle" : "start" }, clock(run.begin + col * o.column)));
  }
  const x0 = px(run.steps[0].at), x1 = px(run.steps[run.steps.length - 1].at);
  svg.append(shape("rect", { x: x0 - 1, y: 0, width: Math.max(3, x1 - x0), height: rows * h, fill: "none", stroke: "#d55e00", "stroke-width": 2 }));
  svg.addEventListener("click", (e) => {
    const box = svg.getBoundingClientRect(), col = Math.floor((((e.clientX - box.left) * room) / box.width - left) / w);
    if (col < 0 || col >= n) return;
    const fault = (e.clientY - box.top) * (height / box.height) > faults * h ? (o.faults || []).find((f) => Math.abs(f.c - col) * w <= 3) : null;
    // A column that the page has a part of leads to that part.
    const shown = run.steps.find((s) => Math.floor((s.at - run.begin) / o.column) >= col);
    jumpTo(run, fault ? fault.step : o.first[col] < run.steps[0].number && shown && Math.floor((shown.at - run.begin) / o.column) === col ? shown.number : o.first[col]);
  });
  const shown = (o.faults || []).slice(0, 50).map((f) => node("li", {}, jump(run, f.step, `step ${f.step}: ${f.text}`), f.n > 1 ? `, and ${f.n - 1} more` : ""));
  view.over.replaceChildren(node("h3", {}, `The whole run, ${time(run.begin)} to ${time(run.end)}; the frame is what stands below`), svg,
    node("p", { class: "soft" }, run.thinned || ""),
    shown.length ? node("details", {}, node("summary", {}, `${o.faults.length} columns with a fault`), node("ul", {}, ...shown)) : "");
}
