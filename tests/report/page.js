// As much of a browser as the charts ask for: elements that hold attributes, children and listeners. It lays nothing
// out: each place of a chart is 800 wide, and begins at 0.
"use strict";
class Element {
  constructor(tag) { Object.assign(this, { tag, attributes: {}, children: [], listeners: {}, style: {}, id: "" }); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  append(child) { this.children.push(child); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  getBoundingClientRect() { return { left: 0, width: 800 }; }
  setPointerCapture() {}
  get clientWidth() { return 800; }
}
const places = {};
const document = {
  body: new Element("body"),
  createElement: tag => new Element(tag),
  createElementNS: (_, tag) => new Element(tag),
  getElementById(id) {
    if (!places[id]) places[id] = Object.assign(new Element("div"), { id });
    return places[id];
  },
};
const listeners = {};
const addEventListener = (name, listener) => { listeners[name] = listener; };

// What a test asks.
const point = (chart, name, clientX) => {
  const svg = places[`chart-${chart}`].children[1];
  svg.listeners[name]({ clientX, pointerId: 1 });
};
const drawn = chart => JSON.stringify(places[`chart-${chart}`].children);
