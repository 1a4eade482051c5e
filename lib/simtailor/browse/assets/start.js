// The list of results, the overview, and the keys.
const MAIN = document.getElementById("main"), NAV = document.getElementById("nav"), FIND = document.getElementById("find");
const UNFOLDED = 10; // entries of a list that shows by itself

function addressed() {
  const [section, ...rest] = location.hash.slice(1).split("/");
  return [section, decodeURIComponent(rest.join("/"))];
}

function navigation() {
  const wanted = FIND.value.trim().toLowerCase();
  const [section, id] = addressed();
  NAV.replaceChildren(...PAGE.sections.flatMap((one) => {
    const entries = one.entries.filter((entry) => `${one.title} ${entry.title}`.toLowerCase().includes(wanted));
    if (!entries.length) return [];
    const here = one.name === section;
    // A long list stays folded until it is looked for.
    return h("details", { open: here || wanted !== "" || entries.length <= UNFOLDED }, h("summary", {}, `${one.title} (${entries.length})`), entries.map((entry) => h("a", {
      href: entryAddress(one.name, entry.id), "aria-current": here && entry.id === id && "page",
    }, entry.title)));
  }));
  NAV.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function overview() {
  const parts = [h("h2", {}, "Results")];
  for (const problem of PAGE.problems) parts.push(h("p", { class: "problems" }, problem));
  if (!PAGE.sections.length) parts.push(h("p", {}, "There are no results yet."));
  for (const section of PAGE.sections) {
    parts.push(heading(section.title), h("div", { class: "cards" }, section.entries.map((entry) => {
      const [kind, mark] = judged(entry);
      return h("div", { class: `card ${kind}` }, h("a", { href: entryAddress(section.name, entry.id) }, entry.title),
        h("p", {}, mark, entry.verdict || entry.description));
    })));
  }
  return parts;
}

function draw() {
  const [name, id] = addressed();
  const section = findSection(name), entry = section && findEntry(name, id);
  MAIN.replaceChildren(...(entry ? [
    h("p", { class: "quiet" }, section.title), h("h2", {}, entry.title), verdict(entry),
    ...(VIEWS[name] ? VIEWS[name](entry, section) : [entry.description && h("p", {}, entry.description), ...(entry.notes || []).map((note) => h("p", { class: "quiet" }, note))]),
    ...ending(entry),
  ] : overview()).filter(Boolean));
  document.title = entry ? `${entry.title} – simtailor` : "simtailor: results";
  navigation();
  scrollTo(0, 0);
}

/** Go to the next result, or the one before. */
function step(by) {
  const all = PAGE.sections.flatMap((section) => section.entries.map((entry) => entryAddress(section.name, entry.id)));
  const now = all.indexOf(location.hash);
  const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : now + by];
  if (next) location.hash = next;
}

document.getElementById("made").textContent = `written ${PAGE.made}`;
document.getElementById("skip").addEventListener("click", () => MAIN.focus());
FIND.addEventListener("input", navigation);
addEventListener("hashchange", () => { draw(); MAIN.focus({ preventScroll: true }); });
addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=range]):not([type=checkbox]), select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.getElementById("large").open) return;
  if (event.key === "n" || event.key === "p") step(event.key === "n" ? 1 : -1);
  else if (event.key === "/") { event.preventDefault(); FIND.focus(); }
});
draw();
