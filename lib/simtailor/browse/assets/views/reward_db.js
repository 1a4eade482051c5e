// The reward database: sets by tasks as a heat map that sorts, and leads to both.
const DEEPEST = 2.5; // standard deviations at which the colour saturates

/** Return colours of a cell, blue below the task's mean and orange above, and how far it is. */
function heat(deviation) {
  const deep = Math.min(Math.abs(deviation) / DEEPEST, 1);
  const [r, g, b] = deviation < 0 ? [0, 114, 178] : [213, 94, 0];
  const mix = (c) => Math.round(255 + (c - 255) * deep);
  return `background:rgb(${mix(r)} ${mix(g)} ${mix(b)});color:${deep > 0.75 ? "#fff" : "#111"}`;
}

view("reward_db", (entry) => {
  const tasks = Object.keys(entry.entries), sets = Object.keys(entry.sets);
  const varied = variedParameters(Object.values(entry.sets));
  const cell = (set, task) => entry.entries[task]?.[set];
  const of = Object.fromEntries(tasks.map((task) => {
    const values = sets.map((set) => cell(set, task)?.mean).filter((v) => v !== undefined);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return [task, { mean, std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) || 1 }];
  }));
  const deviation = (set, task) => (cell(set, task) ? (cell(set, task).mean - of[task].mean) / of[task].std : NaN);
  const overall = (set) => tasks.reduce((sum, task) => sum + (deviation(set, task) || 0), 0) / tasks.length;
  let order = { by: "over all tasks", down: true };
  const body = h("tbody", { id: "heat-rows" });
  const fill = () => {
    const value = (set) => (tasks.includes(order.by) ? cell(set, order.by)?.mean ?? -Infinity : varied.includes(order.by) ? entry.sets[set][PARAMETERS.indexOf(order.by)] : overall(set));
    const sorted = [...sets].sort((a, b) => value(a) - value(b));
    if (order.down) sorted.reverse();
    body.replaceChildren(...sorted.map((set) => h("tr", {},
      h("th", { scope: "row" }, entryLink("sets", set)),
      ...varied.map((name) => h("td", {}, String(entry.sets[set][PARAMETERS.indexOf(name)]))),
      h("td", {}, overall(set).toFixed(2)),
      ...tasks.map((task) => {
        const found = cell(set, task);
        if (!found) return h("td", { title: "not evaluated" }, "–");
        const words = `${set} on ${task}: ${found.mean.toFixed(2)} %, ${deviation(set, task).toFixed(1)} standard deviations from the task's mean, seeds: ${found.seeds}`;
        return h("td", { style: heat(deviation(set, task)), title: words }, found.mean.toFixed(1));
      }))));
  };
  const head = (name, leads) => h("th", { scope: "col", "aria-sort": name === order.by ? "descending" : "none" }, h("button", { "data-by": name, onclick(event) {
    order = { by: name, down: order.by === name ? !order.down : true };
    for (const one of event.target.closest("tr").children) one.setAttribute("aria-sort", "none");
    event.target.closest("th").setAttribute("aria-sort", order.down ? "descending" : "ascending");
    fill();
  } }, name.replaceAll("_", " ")), leads ? [h("br", {}), leads] : []);
  fill();
  const task = (name) => (findEntry("tasks", name) ? h("a", { href: entryAddress("tasks", name), class: "quiet" }, "the task") : null);
  const beside = Object.keys(Object.assign({}, ...Object.values(entry.tasks)));
  return [
    heading("Accuracy (%) of every set on every task"),
    h("p", { class: "quiet" }, "A click on a heading sorts. Orange is above a task's mean over the sets, blue below. Over all tasks: the mean distance from these means, in standard deviations. A set's name leads to its pictures."),
    h("div", { class: "scroll heat", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "set"), ...varied.map((name) => head(name)),
      head("over all tasks"), ...tasks.map((name) => head(name, task(name))))), body)),
    heading("What needs no simulated set"),
    sortableTable(["task", ...beside.map((name) => name.replaceAll("_", " "))], Object.entries(entry.tasks).map(([name, row]) => [name, ...beside.map((key) => row[key] ?? "")]),
      (column, value) => (column === "task" ? entryLink("tasks", value) : null)),
  ];
});
