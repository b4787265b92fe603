// Draws the charts of the page. All share one time axis: drag over one to zoom all of them, double-click to go back.
"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const WIDTH = 1040, HEIGHT = 222, LEFT = 62, RIGHT = 150, TOP = 20, BOTTOM = 24;
const every = charts.flatMap(chart => chart.series.flatMap(series => series.points));
const whole = [0, Math.max(1, ...every.map(point => point[0]))];
let range = whole;

const element = (name, attributes, parent, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
};
const colour = index => `var(--c${index % 5})`;
const two = number => String(number).padStart(2, "0");
const clock = seconds => {
  const whole = Math.max(0, Math.round(seconds)), hours = Math.floor(whole / 3600);
  const text = `${two(hours)}:${two(Math.floor(whole / 60) % 60)}`;
  return range[1] - range[0] < 1800 ? `${text}:${two(whole % 60)}` : text;
};
const readable = value => Number(value.toPrecision(4)).toLocaleString("en");
const roundUp = value => {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 2.5, 5, 10].map(step => step * power).find(step => step >= value) || 1;
};
const timeStep = span => [5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
  .find(step => span / step <= 9) || 86400 * Math.ceil(span / 86400 / 9);
// The last point at or before a time, by bisection.
const at = (points, seconds) => {
  let low = 0, high = points.length;
  while (low < high) { const middle = (low + high) >> 1; points[middle][0] <= seconds ? low = middle + 1 : high = middle; }
  return low - 1;
};
const nearest = (points, seconds) => {
  const before = Math.max(0, at(points, seconds)), after = Math.min(points.length - 1, before + 1);
  return Math.abs(points[after][0] - seconds) < Math.abs(points[before][0] - seconds) ? after : before;
};

function outline(series, x, y) {
  const inside = series.points.filter((point, index, all) => {
    const next = all[Math.min(index + 1, all.length - 1)], last = all[Math.max(index - 1, 0)];
    return next[0] >= range[0] && last[0] <= range[1];
  });
  let path = "", previous = null;
  for (const [seconds, value] of inside) {
    if (previous !== null && series.kind === "step") path += `H${x(seconds).toFixed(1)}`;
    path += `${previous === null ? "M" : "L"}${x(seconds).toFixed(1)} ${y(value).toFixed(1)}`;
    previous = seconds;
  }
  return path;
}

function draw(chart, host) {
  const visible = chart.series.flatMap(series => series.points.filter(point => point[0] >= range[0] && point[0] <= range[1]));
  const top = roundUp(Math.max(...visible.map(point => point[1]), 0));
  const x = seconds => LEFT + (seconds - range[0]) / (range[1] - range[0]) * (WIDTH - LEFT - RIGHT);
  const y = value => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": chart.title });
  for (let line = 0; line <= 4; line++) {
    const value = top * line / 4;
    element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }, svg);
    element("text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, svg, readable(value));
  }
  element("text", { class: "axis", x: LEFT, y: TOP - 8 }, svg, chart.unit);
  const step = timeStep(range[1] - range[0]);
  for (let tick = Math.ceil(range[0] / step) * step; tick <= range[1]; tick += step)
    element("text", { class: "axis", x: x(tick), y: HEIGHT - 6, "text-anchor": "middle" }, svg, clock(tick));
  const labels = [];
  chart.series.forEach((series, index) => {
    if (!series.points.length) return;
    if (series.kind === "bar") {
      // A later series stands inside the first one's bars.
      for (const [seconds, value] of series.points)
        if (seconds >= range[0] && seconds <= range[1])
          element("line", { x1: x(seconds), x2: x(seconds), y1: y(0), y2: y(value), stroke: colour(index), "stroke-width": index ? 3 : 9 }, svg);
    } else {
      const path = outline(series, x, y);
      if (path && series.kind === "area")
        element("path", { d: `${path}V${y(0)}H${path.slice(1).split(" ")[0]}Z`, fill: colour(index), opacity: .15 }, svg);
      if (path) element("path", { d: path, fill: "none", stroke: colour(index), "stroke-width": 1.6 }, svg);
    }
    const last = series.points[Math.max(0, at(series.points, range[1]))];
    labels.push({ name: series.name, index, y: Math.min(HEIGHT - BOTTOM, Math.max(TOP + 8, y(series.kind === "bar" ? top * .9 : last[1]))) });
  });
  // Names stand at the end of their lines, moved apart where they would meet.
  labels.sort((one, other) => one.y - other.y);
  for (let index = 1; index < labels.length; index++) labels[index].y = Math.max(labels[index].y, labels[index - 1].y + 14);
  const over = labels.length ? Math.max(0, labels[labels.length - 1].y - (HEIGHT - BOTTOM)) : 0;
  for (const label of labels)
    element("text", { x: WIDTH - RIGHT + 8, y: label.y - over + 4, style: `fill: ${colour(label.index)}` }, svg, label.name);
  const cross = element("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" }, svg);
  const chosen = element("rect", { class: "chosen", y: TOP, height: HEIGHT - TOP - BOTTOM, visibility: "hidden" }, svg);
  const reading = document.createElement("div");
  reading.className = "reading";
  host.replaceChildren(svg, reading);

  const secondsAt = event => {
    const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * WIDTH;
    return Math.min(range[1], Math.max(range[0], range[0] + (place - LEFT) / (WIDTH - LEFT - RIGHT) * (range[1] - range[0])));
  };
  let from = null;
  svg.addEventListener("pointerdown", event => { from = secondsAt(event); svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", event => {
    const seconds = secondsAt(event);
    cross.setAttribute("x1", x(seconds)); cross.setAttribute("x2", x(seconds)); cross.setAttribute("visibility", "visible");
    const said = [];
    const parts = chart.series.filter(series => series.points.length).map(series => {
      const index = series.kind === "bar" ? nearest(series.points, seconds) : Math.max(0, at(series.points, seconds));
      if (series.notes[index]) said.push(series.notes[index]);
      const when = series.kind === "bar" ? ` at ${clock(series.points[index][0])}` : "";
      return `${series.name} ${readable(series.points[index][1])} ${chart.unit}${when}`;
    });
    reading.textContent = `${clock(seconds)}  ${parts.join("  ·  ")}${said.length ? "\n" + said.join("\n") : ""}`;
    if (from !== null) {
      chosen.setAttribute("x", Math.min(x(from), x(seconds)));
      chosen.setAttribute("width", Math.abs(x(seconds) - x(from)));
      chosen.setAttribute("visibility", "visible");
    }
  });
  svg.addEventListener("pointerup", event => {
    const to = secondsAt(event), begin = from;
    from = null;
    chosen.setAttribute("visibility", "hidden");
    if (begin !== null && Math.abs(to - begin) > (range[1] - range[0]) / 100) { range = [Math.min(begin, to), Math.max(begin, to)]; drawAll(); }
  });
  svg.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); reading.textContent = hint; });
  svg.addEventListener("dblclick", () => { range = whole; drawAll(); });
  reading.textContent = hint;
}

const hint = "Point at the chart to read it; drag to zoom all of them, double-click to go back.";
function drawAll() { charts.forEach((chart, number) => draw(chart, document.getElementById(`chart-${number}`))); }
drawAll();
