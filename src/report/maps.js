// Zoom, pan and search for the maps of a page: graphs and timelines.
for (const map of document.querySelectorAll(".map")) {
  const svg = map.querySelector("svg");
  const whole = svg.viewBox.baseVal;
  const size = [whole.x, whole.y, whole.width, whole.height];
  let view = size.slice();
  const show = () => {
    svg.setAttribute("viewBox", view.join(" "));
    map.classList.toggle("zoomed", view[2] < size[2]);
  };
  // Around a point, given as shares of what is seen.
  const zoom = (factor, x = 0.5, y = 0.5) => {
    const scale = Math.min(1, Math.max(1 / 64, (view[2] / size[2]) * factor));
    const [width, height] = [size[2] * scale, size[3] * scale];
    view = [view[0] + (view[2] - width) * x, view[1] + (view[3] - height) * y, width, height];
    move(0, 0);
  };
  const move = (x, y) => {
    view[0] = Math.min(size[0] + size[2] - view[2], Math.max(size[0], view[0] + x * view[2]));
    view[1] = Math.min(size[1] + size[3] - view[3], Math.max(size[1], view[1] + y * view[3]));
    show();
  };
  const all = () => {
    view = size.slice();
    show();
  };
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const keys = {
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), "0": all,
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
    ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
  };
  const frame = map.querySelector(".frame");
  frame.addEventListener("keydown", (event) => {
    const key = keys[event.key];
    if (key && (view[2] < size[2] || !event.key.startsWith("Arrow")) && !event.ctrlKey && !event.metaKey) {
      key();
      event.preventDefault();
    }
  });
  svg.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      zoom(Math.exp(event.deltaY / 300), ...point(event));
      event.preventDefault();
    }
  }, { passive: false });
  svg.addEventListener("dblclick", (event) => zoom(0.5, ...point(event)));
  let held = null;
  svg.addEventListener("pointerdown", (event) => {
    if (view[2] < size[2]) {
      held = point(event);
      svg.setPointerCapture(event.pointerId);
    }
  });
  svg.addEventListener("pointermove", (event) => {
    if (held) {
      const now = point(event);
      move(held[0] - now[0], held[1] - now[1]);
      held = now;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { held = null; });

  const tools = document.createElement("div");
  tools.className = "tools";
  const button = (text, name, act) => {
    const it = document.createElement("button");
    it.type = "button";
    it.textContent = text;
    it.setAttribute("aria-label", name);
    it.addEventListener("click", act);
    tools.append(it);
  };
  button("+", "zoom in", () => zoom(0.7));
  button("−", "zoom out", () => zoom(1 / 0.7));
  button("all", "show all", all);
  const find = document.createElement("input");
  find.type = "search";
  find.placeholder = "find a node or task";
  find.setAttribute("aria-label", "find a node or task: all others fade");
  // What says of itself what it is.
  const named = [...svg.querySelectorAll("title")].filter((title) => title.parentNode !== svg);
  find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    for (const title of named) {
      title.parentNode.style.opacity = title.textContent.toLowerCase().includes(wanted) ? "" : "0.12";
    }
  });
  tools.append(find);
  map.prepend(tools);
}
