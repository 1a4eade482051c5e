// Recommendations: the set, what is expected of it, and the commands.
function command(words, text) {
  const copy = h("button", { onclick() {
    navigator.clipboard?.writeText(text).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Mark it to copy"; });
  } }, "Copy");
  return h("p", {}, `${words}: `, h("code", {}, text), " ", copy);
}

view("recommendations", (entry) => {
  const gain = entry.gain, [low, high] = gain.interval_95;
  return [
    h("p", {}, "The set: ", entryLink("sets", entry.set), `. The best set for all tasks alike: `, entryLink("sets", entry.fixed), "."),
    sortableTable(["parameter", "value"], Object.entries(entry.parameters)),
    h("p", {}, `Expected of ${gain.set} over the best fixed set: ${gain.points} points, 95 % interval ${low} to ${high}; probability of a gain ${gain.probability_of_gain}.`),
    heading("Nearest tasks"), sortableTable(["task", "distance"], entry.nearest.map((one) => [one.task, one.distance]),
      (column, value) => (column === "task" ? entryLink("tasks", value) : null)),
    heading("Commands"), ...Object.entries(entry.commands).map(([words, text]) => command(words, text)),
  ];
});
