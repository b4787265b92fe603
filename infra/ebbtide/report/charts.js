// Draws the charts of the page. All share one time axis: drag over one to zoom all of them, double-click to go back.
"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const HEIGHT = 222, LEFT = 56, TOP = 20, BOTTOM = 24, PAPER_WIDTH = 680, BAR = 11;
let printing = false;
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
  const rounded = Math.max(0, Math.round(seconds)), hours = Math.floor(rounded / 3600);
  const text = `${two(hours)}:${two(Math.floor(rounded / 60) % 60)}`;
  return range[1] - range[0] < 1800 ? `${text}:${two(rounded % 60)}` : text;
};
const readable = value => Number(value.toPrecision(4)).toLocaleString("en");
// The distance of the lines of an axis: a round number, and a whole one where half a thing does not exist.
const valueStep = (highest, countable) => {
  const least = Math.max(highest / 4, countable ? 1 : 0) || 1, power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 2.5, 5, 10].map(step => step * power).find(step => step >= least && !(countable && step % 1));
};
const timeStep = (span, most) => [5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
  .find(step => span / step <= most) || 86400 * Math.ceil(span / 86400 / most);
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

// Where bars stand: each at its time, and beside the one before where they would cover each other.
function sideBySide(places, right) {
  const wide = [...places];
  for (let index = 1; index < wide.length; index++) wide[index] = Math.max(wide[index], wide[index - 1] + BAR);
  for (let index = wide.length - 1, edge = right; index >= 0; index--, edge = wide[index + 1] - BAR)
    wide[index] = Math.min(wide[index], edge);
  return wide;
}

// Thin lines with words, one below the other where they would cover each other.
function drawMarks(marks, x, right, svg, plot) {
  const ends = [];
  for (const [seconds, text] of marks) {
    if (seconds < range[0] || seconds > range[1]) continue;
    const place = x(seconds), size = 6 * text.length, before = place + 4 + size > right;
    const begin = before ? place - 4 - size : place + 4;
    let row = ends.findIndex(end => end + 8 < begin);
    if (row < 0) row = ends.length;
    ends[row] = begin + size;
    element("line", { class: "mark", x1: place, x2: place, y1: TOP, y2: HEIGHT - BOTTOM }, plot);
    element("text", { class: "axis", x: begin, y: TOP + 8 + 12 * row }, svg, text);
  }
}

// The names of lines stand at their ends; in a legend where the longest of them would take too much of the width.
const nameSize = name => 6.2 * name.length + 14;
const widest = Math.max(...charts.flatMap(chart => chart.series)
  .filter(series => series.kind !== "bar" && series.points.length).map(series => nameSize(series.name)), 20);

// Each where its line ends, and below the one before where they would cover each other.
function drawNames(ends, right, svg) {
  const lowest = HEIGHT - BOTTOM;
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, index) => { if (index) end.y = Math.max(end.y, ends[index - 1].y + 12); });
  for (let index = ends.length - 1, edge = lowest; index >= 0; edge = ends[index--].y - 12)
    ends[index].y = Math.min(ends[index].y, edge);
  for (const end of ends)
    element("text", { class: "name", x: right + 6, y: end.y + 4, style: `fill:${end.colour}` }, svg, end.name);
}

function draw(chart, host) {
  // With the points just outside: what a line was before the zoom's edge still holds at it.
  const visible = chart.series.flatMap(series => series.points.filter((point, index, all) => point[0] <= range[1]
    && (point[0] >= range[0] || series.kind !== "bar" && index + 1 < all.length && all[index + 1][0] >= range[0])));
  const width = printing ? PAPER_WIDTH : Math.max(260, host.clientWidth);
  const named = widest <= width / 3 && chart.series.length <= 5, RIGHT = named ? widest : 20;
  const countable = chart.series.every(series => series.points.every(point => Number.isInteger(point[1])));
  const highest = Math.max(...visible.map(point => point[1]), 0);
  const rise = valueStep(highest, countable), top = rise * Math.max(1, Math.ceil(highest / rise));
  const x = seconds => LEFT + (seconds - range[0]) / (range[1] - range[0]) * (width - LEFT - RIGHT);
  const y = value => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": chart.title });
  for (let line = 0; line <= top / rise; line++) {
    const value = rise * line;
    element("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }, svg);
    element("text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, svg, readable(value));
  }
  element("text", { class: "axis", x: LEFT, y: TOP - 8 }, svg, chart.unit);
  const clip = `clip-${host.id}`;
  element("rect", { x: LEFT, y: 0, width: width - LEFT - RIGHT, height: HEIGHT }, element("clipPath", { id: clip }, svg));
  const plot = element("g", { "clip-path": `url(#${clip})` }, svg);
  const step = timeStep(range[1] - range[0], Math.max(2, width / 110));
  for (let tick = Math.ceil(range[0] / step) * step; tick <= range[1]; tick += step)
    element("text", { class: "axis", x: x(tick), y: HEIGHT - 6, "text-anchor": "middle" }, svg, clock(tick));
  const legend = document.createElement("div");
  legend.className = "legend";
  const ends = [];
  chart.series.forEach((series, index) => {
    if (!series.points.length) return;
    if (series.kind === "bar") {
      // A later series stands inside the first one's bars.
      const shown = series.points.filter(point => point[0] >= range[0] && point[0] <= range[1]);
      sideBySide(shown.map(point => x(point[0])), width - RIGHT - BAR / 2).forEach((place, bar) =>
        element("line", { x1: place, x2: place, y1: y(0), y2: y(shown[bar][1]), stroke: colour(index), "stroke-width": index || chart.series.length === 1 ? 3 : 9 }, plot));
    } else {
      const path = outline(series, x, y);
      if (path && series.kind === "area")
        element("path", { d: `${path}V${y(0)}H${path.slice(1).split(" ")[0]}Z`, fill: colour(index), opacity: .15 }, plot);
      if (path) element("path", { d: path, class: `line line-${index % 5}`, stroke: colour(index) }, plot);
    }
    if (named && series.kind !== "bar") {
      const last = series.points[Math.max(0, at(series.points, range[1]))];
      ends.push({ name: series.name, y: Math.max(TOP, y(last[1])), colour: colour(index) });
      return;
    }
    const name = document.createElement("span");
    name.style.color = colour(index);
    name.textContent = series.name;
    legend.append(name);
  });
  drawNames(ends, width - RIGHT, svg);
  drawMarks(chart.marks, x, width - RIGHT, svg, plot);
  const cross = element("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" }, svg);
  const chosen = element("rect", { class: "chosen", y: TOP, height: HEIGHT - TOP - BOTTOM, visibility: "hidden" }, svg);
  const reading = document.createElement("div");
  reading.className = "reading";
  host.replaceChildren(legend, svg, reading);

  const secondsAt = event => {
    const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * width;
    return Math.min(range[1], Math.max(range[0], range[0] + (place - LEFT) / (width - LEFT - RIGHT) * (range[1] - range[0])));
  };
  let from = null;
  svg.addEventListener("pointerdown", event => { read(event); from = secondsAt(event); svg.setPointerCapture(event.pointerId); });
  const read = event => {
    const seconds = secondsAt(event);
    cross.setAttribute("x1", x(seconds)); cross.setAttribute("x2", x(seconds)); cross.setAttribute("visibility", "visible");
    const said = [];
    const parts = chart.series.filter(series => series.points.length).map(series => {
      const index = series.kind === "bar" ? nearest(series.points, seconds) : Math.max(0, at(series.points, seconds));
      if (series.notes[index]) said.push(`${clock(series.points[index][0])}  ${series.notes[index]}`);
      const when = series.kind === "bar" ? ` at ${clock(series.points[index][0])}` : "";
      return `${series.name} ${readable(series.points[index][1])} ${chart.unit}${when}`;
    });
    reading.textContent = `${clock(seconds)}  ${parts.join("  ·  ")}${said.length ? "\n" + said.join("\n") : ""}`;
    if (from !== null) {
      chosen.setAttribute("x", Math.min(x(from), x(seconds)));
      chosen.setAttribute("width", Math.abs(x(seconds) - x(from)));
      chosen.setAttribute("visibility", "visible");
    }
  };
  svg.addEventListener("pointermove", read);
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
let drawnWidth = document.body.clientWidth;
addEventListener("resize", () => {
  if (printing || document.body.clientWidth === drawnWidth) return;
  drawnWidth = document.body.clientWidth;
  drawAll();
});
addEventListener("beforeprint", () => { printing = true; drawAll(); });
addEventListener("afterprint", () => { printing = false; drawAll(); });
