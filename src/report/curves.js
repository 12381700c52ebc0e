// Values of curves under the pointer or the arrow keys; for those of a training, smoothing and a logarithmic axis.
for (const chart of document.querySelectorAll(".chart")) {
  const plot = chart.querySelector(".plot");
  if (!plot) continue;
  const svg = chart.querySelector("svg");
  const frame = chart.querySelector(".frame");
  const numbers = (text) => (text ? text.trim().split(/[\s,]+/).map(Number) : []);
  const element = (name, attributes, parent) => {
    const it = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) it.setAttribute(key, attributes[key]);
    parent.append(it);
    return it;
  };
  const [left, top, width, height] = numbers(plot.dataset.box);
  const [low, high] = numbers(plot.dataset.range);
  const marks = plot.querySelector(".marks");
  const linearMarks = [...marks.childNodes];
  const shown = (value) => String(Number(value.toPrecision(6)));
  const series = [...plot.querySelectorAll(".series")].map((group) => {
    const line = group.querySelector("polyline");
    const at = numbers(line.getAttribute("points")).filter((_, index) => index % 2 === 0);
    for (const title of group.querySelectorAll("title")) title.remove();
    return { group, line, at, x: numbers(group.dataset.x), y: numbers(group.dataset.y), values: numbers(group.dataset.y),
      dots: [...group.querySelectorAll("circle")], raw: null };
  });
  const all = series.flatMap((it) => it.y);
  const positive = all.filter((y) => y > 0);
  const first = Math.floor(Math.log10(Math.min(...positive)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive)) - 1e-9));
  let [logarithmic, weight] = [false, 0];

  const height_of = (y) => {
    const share = logarithmic ? (Math.log10(y) - first) / (last - first) : (y - low) / (high - low);
    return top + height * (1 - share);
  };
  // A mean of all values up to each, in which earlier ones count the less the further they are away.
  const smoothed = (values) => {
    let [sum, total] = [0, 0];
    return values.map((value) => {
      [sum, total] = [sum * weight + value * (1 - weight), total * weight + 1 - weight];
      return sum / total;
    });
  };
  const path = (it, values) => values.flatMap((y, index) => (logarithmic && y <= 0 ? [] : [`${it.at[index]},${height_of(y)}`])).join(" ");
  const draw = () => {
    for (const it of series) {
      it.values = weight > 0 ? smoothed(it.y) : it.y;
      it.line.setAttribute("points", path(it, it.values));
      if (weight > 0 && !it.raw) {
        it.raw = it.line.cloneNode();
        it.raw.setAttribute("opacity", "0.25");
        it.group.prepend(it.raw);
      }
      if (it.raw) it.raw.setAttribute("points", weight > 0 ? path(it, it.y) : "");
      it.dots.forEach((dot, index) => {
        const hidden = weight > 0 || (logarithmic && it.y[index] <= 0);
        dot.style.display = hidden ? "none" : "";
        if (!hidden) dot.setAttribute("cy", height_of(it.y[index]));
      });
    }
    marks.replaceChildren(...(logarithmic ? [] : linearMarks));
    for (let power = first; logarithmic && power <= last; power++) {
      const many = last - first > 8 && (power - first) % Math.ceil((last - first) / 8) > 0;
      for (const digit of many ? [] : last - first > 2 ? [1] : [1, 2, 5]) {
        const y = height_of(digit * 10 ** power);
        if (y < top - 1) continue;
        element("line", { x1: left, y1: y, x2: left + width, y2: y, stroke: "#e4e7ec", "stroke-width": 1 }, marks);
        const label = element("text", { x: left - 8, y: y + 4, "text-anchor": "end", "font-size": 12, fill: "#1d2433" }, marks);
        label.textContent = `${digit}e${power}`;
      }
    }
  };

  // Where values stand: all places of points, from left to right.
  const places = [...new Set(series.flatMap((it) => it.at))].sort((a, b) => a - b);
  const cross = element("line", { y1: top, y2: top + height, stroke: "#475067", "stroke-width": 1, display: "none" }, plot);
  const box = document.createElement("div");
  box.className = "values";
  box.hidden = true;
  box.setAttribute("role", "status");
  chart.append(box);
  let place = -1;
  const hide = () => {
    place = -1;
    box.hidden = true;
    cross.setAttribute("display", "none");
  };
  const show = (index) => {
    place = Math.min(places.length - 1, Math.max(0, index));
    const at = places[place];
    cross.setAttribute("display", "");
    cross.setAttribute("x1", at);
    cross.setAttribute("x2", at);
    box.replaceChildren();
    const line = (text, colour) => {
      const row = document.createElement("div");
      if (colour) {
        const swatch = document.createElement("span");
        swatch.style.background = colour;
        row.append(swatch);
      }
      row.append(text);
      box.append(row);
    };
    const here = series.map((it) => [it, it.at.indexOf(at)]).filter(([, index]) => index >= 0);
    line(`${plot.dataset.x} ${shown(here[0][0].x[here[0][1]])}`);
    for (const [it, index] of here) {
      const raw = weight > 0 ? ` (${shown(it.y[index])})` : "";
      line(`${it.group.dataset.name}: ${shown(it.values[index])}${raw}`, it.line.getAttribute("stroke"));
    }
    box.hidden = false;
    const corner = new DOMPoint(at, top).matrixTransform(svg.getScreenCTM());
    const room = document.documentElement.clientWidth - box.offsetWidth - 4;
    const beside = corner.x + 12 > room ? corner.x - 12 - box.offsetWidth : corner.x + 12;
    box.style.left = `${Math.max(4, Math.min(room, beside))}px`;
    box.style.top = `${Math.max(4, corner.y)}px`;
  };
  const follow = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (x < left - 8 || x > left + width + 8 || y < top || y > top + height || places.length === 0) return hide();
    let nearest = 0;
    places.forEach((at, index) => {
      if (Math.abs(at - x) < Math.abs(places[nearest] - x)) nearest = index;
    });
    show(nearest);
  };
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", hide);
  frame.addEventListener("blur", hide);
  addEventListener("scroll", hide, { passive: true });
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || places.length === 0) return;
    if (event.key === "Escape") hide();
    else if (event.key === "ArrowLeft") show(place < 0 ? places.length - 1 : place - 1);
    else if (event.key === "ArrowRight") show(place + 1);
    else return;
    event.preventDefault();
  });

  if (!plot.dataset.trains) continue;
  const tools = document.createElement("div");
  tools.className = "tools";
  if (positive.length === all.length && all.length > 0) {
    const axis = document.createElement("button");
    axis.type = "button";
    axis.textContent = "log scale";
    axis.setAttribute("aria-pressed", "false");
    axis.addEventListener("click", () => {
      logarithmic = !logarithmic;
      axis.setAttribute("aria-pressed", String(logarithmic));
      hide();
      draw();
    });
    tools.append(axis);
  }
  if (series.some((it) => it.y.length > 4)) {
    const label = document.createElement("label");
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: 0.99, step: 0.01, value: 0 });
    range.addEventListener("input", () => {
      weight = Number(range.value);
      hide();
      draw();
    });
    label.append("smoothing ", range);
    tools.append(label);
  }
  chart.prepend(tools);
}
