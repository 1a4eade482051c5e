// Experiments: a slider over the epochs beside the target, and attributes with intervals.
const KINDS = [["prior", "start"], ["target", "target"], ["generated", "recovered"]];

function images(paths, name) {
  return paths.map((path, i) => h("img", { src: fileAddress(path), alt: `${name}, image ${i + 1}`, width: 100, height: 100, loading: "lazy" }));
}

/** Return the discrepancy over the epochs as a line, and a function that marks one. */
function curve(entry) {
  const table = entry.tables?.find((one) => one.title === "mmd");
  if (!table) return [null, () => ""];
  const [epoch, mmd] = ["epoch", "mmd"].map((name) => table.columns.indexOf(name));
  const points = table.rows.map((row) => [Number(row[epoch]), Number(row[mmd])]).filter((p) => p.every(Number.isFinite));
  if (!points.length) return [null, () => ""];
  const [width, height, last] = [420, 70, points.at(-1)[0] || 1];
  const top = Math.max(...points.map((p) => p[1]), 1e-9), low = Math.min(0, ...points.map((p) => p[1]));
  const place = ([x, y]) => [8 + (x / last) * (width - 16), height - 6 - ((y - low) / (top - low)) * (height - 12)];
  const dot = h("circle", { r: 5, fill: "var(--generated)" });
  const drawn = h("svg", { width, height, role: "img", "aria-label": "discrepancy to the target over the epochs" },
    h("polyline", { points: points.map(place).join(" "), fill: "none", stroke: "var(--target)", "stroke-width": 2 }), dot);
  return [drawn, (at) => {
    const point = points.find((p) => p[0] === at);
    if (!point) return "";
    const [x, y] = place(point);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    return `discrepancy ${+point[1].toPrecision(3)}`;
  }];
}

function epochs(entry) {
  const last = entry.epochs.length - 1;
  const strip = h("div", { class: "strip", id: "epoch-images" });
  const label = h("output", { id: "epoch-label" });
  const [drawn, mark] = curve(entry);
  const show = (i) => {
    const one = entry.epochs[i];
    strip.replaceChildren(...images(one.images, `epoch ${one.epoch}`));
    const words = [`epoch ${one.epoch}`, one.epoch === 0 ? "the start" : "", one.epoch === entry.best ? "taken" : "", mark(one.epoch)];
    label.textContent = words.filter(Boolean).join(", ");
    slider.setAttribute("aria-valuetext", label.textContent);
  };
  const slider = h("input", { type: "range", id: "epoch", min: 0, max: last, value: last, step: 1, "aria-label": "Epoch", oninput: () => show(Number(slider.value)) });
  let running = null;
  const play = h("button", { onclick() {
    clearInterval(running);
    slider.value = 0;
    show(0);
    running = setInterval(() => {
      if (!slider.isConnected || Number(slider.value) === last) { clearInterval(running); return; }
      slider.value = Number(slider.value) + 1;
      show(Number(slider.value));
    }, 700);
  } }, "Play");
  show(last);
  return [heading("From the start to the target"), h("div", { class: "controls" }, slider, play, label), drawn, strip,
    h("p", { class: "quiet" }, "Images of the target:"), h("div", { class: "strip" }, images(entry.target, "target"))];
}

/** Return one attribute: mean and spread of start, target and recovered, with 95 % intervals. */
function attribute(name, values) {
  const there = KINDS.filter(([kind]) => values[kind]);
  const ends = there.flatMap(([kind]) => [values[kind].mean - 2 * values[kind].std, values[kind].mean + 2 * values[kind].std]);
  const [low, high, width] = [Math.min(...ends), Math.max(...ends), 460];
  const x = (value) => 90 + ((value - low) / (high - low || 1)) * (width - 100);
  const rows = there.map(([kind, word], i) => {
    const { mean, std, mean_95: interval } = values[kind], y = 16 + 26 * i, colour = `var(--${kind})`;
    const shape = kind === "target" ? h("rect", { x: x(mean) - 5, y: y - 5, width: 10, height: 10, fill: colour })
      : kind === "prior" ? h("circle", { cx: x(mean), cy: y, r: 5, fill: colour })
        : h("path", { d: `M${x(mean)} ${y - 7}l7 7l-7 7l-7 -7z`, fill: colour });
    return h("g", {}, h("text", { x: 0, y: y + 4 }, word),
      h("line", { x1: x(mean - std), x2: x(mean + std), y1: y, y2: y, stroke: colour, "stroke-width": 7, opacity: 0.45 }), shape,
      interval && h("path", { d: `M${x(interval[0])} ${y - 10}v20M${x(interval[1])} ${y - 10}v20`, stroke: "var(--ink)", "stroke-width": 1.5 }));
  });
  const base = 26 * there.length + 6;
  const ticks = [low, low + (high - low) / 3, low + (2 * (high - low)) / 3, high];
  const axis = h("g", {}, h("line", { x1: x(low), x2: x(high), y1: base, y2: base, stroke: "var(--quiet)" }),
    ticks.map((value, i) => h("text", { x: x(value), y: base + 16, "text-anchor": i === 3 ? "end" : i ? "middle" : "start" }, String(+value.toPrecision(3)))));
  const unit = values.unit ? ` (${values.unit})` : "";
  return h("figure", {}, h("figcaption", {}, `${name}${unit}: mean and spread; the two ticks are the 95 % interval of the mean`),
    h("svg", { width, height: base + 20, role: "img", "aria-label": `${name}: ${there.map(([kind, word]) => `${word} ${shown(values[kind].mean)} ± ${shown(values[kind].std)}`).join(", ")}` }, rows, axis));
}

function attributeTable(attributes) {
  const told = (one) => (one ? `${shown(one.mean)} ± ${shown(one.std)}` : "unknown");
  const between = (pair) => (pair ? `${shown(pair[0])} to ${shown(pair[1])}` : "–");
  return sortableTable(["attribute", "unit", "start", "target", "recovered", "mean, 95 %", "spread, 95 %", "distance"],
    Object.entries(attributes).map(([name, one]) => [name, one.unit || "", told(one.prior), told(one.target), told(one.generated),
      between(one.generated?.mean_95), between(one.generated?.std_95), one.wasserstein ?? "–"]));
}

view("metasim", (entry) => [
  h("p", {}, entry.description),
  ...(entry.epochs.length ? epochs(entry) : []),
  heading("Attributes"), attributeTable(entry.attributes),
  ...Object.entries(entry.attributes).filter(([, one]) => one.prior && one.generated).map(([name, one]) => attribute(name, one)),
  ...(findEntry("datasets", entry.id) ? [h("p", {}, "A data set drawn from this fit: ", entryLink("datasets", entry.id))] : []),
]);
