// In timelines: from which parts the task of the part under the pointer took messages, and which took its own.
for (const parts of document.querySelectorAll(".parts")) {
  const [before, after] = [new Map(), new Map()];
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const message of parts.dataset.messages.split(" ").filter(Boolean)) {
    const [from, to] = message.split(">");
    add(before, to, from);
    add(after, from, to);
  }
  const bars = new Map();
  const place = (bar) => {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(bar.getAttribute(name)));
    return { start: x, end: x + width, middle: y + height / 2 };
  };
  for (const bar of parts.querySelectorAll("[data-task]")) add(bars, bar.dataset.task, place(bar));
  const element = (name, attributes) => {
    const it = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) it.setAttribute(key, attributes[key]);
    return it;
  };
  const arrows = element("g", { class: "messages", "pointer-events": "none" });
  parts.append(arrows);
  // From where the last part of a task ended to where a part of the other began.
  const arrow = (from, to, colour) => {
    const bend = Math.max(8, Math.abs(to.start - from.end) / 3);
    const path = `M${from.end} ${from.middle}C${from.end + bend} ${from.middle} ${to.start - bend} ${to.middle} ${to.start} ${to.middle}`;
    arrows.append(element("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.5 }),
      element("circle", { cx: to.start, cy: to.middle, r: 3, fill: colour }));
  };
  const ended = (task) => (bars.get(task) ?? []).reduce((last, bar) => (!last || bar.end > last.end ? bar : last), null);
  parts.addEventListener("pointerover", (event) => {
    const task = event.target.dataset?.task;
    arrows.replaceChildren();
    if (task === undefined) return;
    const own = place(event.target);
    for (const from of before.get(task) ?? []) {
      const last = ended(from);
      if (last) arrow(last, own, "#c01818");
    }
    const last = ended(task);
    for (const to of after.get(task) ?? []) for (const bar of bars.get(to) ?? []) arrow(last, bar, "#0b6e4f");
  });
  parts.addEventListener("pointerout", () => arrows.replaceChildren());
}
