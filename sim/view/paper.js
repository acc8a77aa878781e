// On paper there is no cursor: the steps stand in bands that fit the width, and below each what happened in
// it and who waited for what. A long run has those around the cursor alone, and says so.
const perBand = 11, mostOnPaper = 132;

function paper() {
  for (const view of views) {
    const run = view.run, n = run.steps.length, first = n <= mostOnPaper ? 0 : Math.max(0, Math.min(n - mostOnPaper, view.at - mostOnPaper / 2));
    const last = Math.min(n, first + mostOnPaper), bands = [], lanes = lanesOf(run), kept = scale;
    scale = "step";
    for (let from = first; from < last; from += perBand) {
      const steps = run.steps.slice(from, Math.min(last, from + perBand)), part = Object.assign({}, run, { steps }), width = left + perBand * 62;
      const { svg } = paint(part, lanes, (i) => left + i * 62, width);
      steps.forEach((s, i) => svg.append(shape("text", { x: left + i * 62 + (s.strays ? 11 : 2), y: 14 }, String(s.number))));
      bands.push(node("section", { class: "band" }, svg, node("table", {}, node("tr", {}, ...["step", "time", "what happened", "who waits, and why"].map((h) => node("th", {}, h))),
        ...steps.map((s) => node("tr", {}, node("td", {}, String(s.number)), node("td", {}, time(s.at)), node("td", {}, (s.acts || []).concat(s.event).join("; "),
          ...(s.strays ? [node("br"), "▼ " + s.strays] : [])), node("td", {}, ...(s.waits || []).flatMap((w) => [w.text, node("br")])))))));
    }
    scale = kept;
    view.paper.replaceChildren(last - first < n ? node("p", {}, `steps ${run.steps[first].number} to ${run.steps[last - 1].number}; the page has ${run.steps[0].number} to ${run.steps[n - 1].number}`) : "", ...bands);
  }
}
