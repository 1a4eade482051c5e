"use strict";
// The page without its kinds of results: elements, addresses, tables, figures.
const PAGE = JSON.parse(document.getElementById("data").textContent);
const VIEWS = {}; // by the name of a section: a function that returns the parts of an entry

/** Register what draws the entries of a section. */
function view(name, draw) { VIEWS[name] = draw; }

/** Return an element; attributes that begin with "on" are listeners, false ones are left out. */
function h(tag, attributes, ...children) {
  const space = ["svg", "g", "line", "circle", "rect", "path", "text", "polyline", "title"].includes(tag);
  const element = space ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return the address of a file of the results, whatever its name is made of. */
function fileAddress(path) { return path.split("/").map(encodeURIComponent).join("/"); }

function entryAddress(section, id) { return `#${section}/${encodeURIComponent(id)}`; }

function findSection(name) { return PAGE.sections.find((one) => one.name === name); }

function findEntry(section, id) { return findSection(section)?.entries.find((one) => one.id === id); }

/** Return a link to an entry, or its name alone where the page has no such entry. */
function entryLink(section, id, text) {
  return findEntry(section, id) ? h("a", { href: entryAddress(section, id) }, text || id) : h("span", {}, text || id);
}

const PARAMETERS = ["backgr", "blur", "lighting_color", "lighting_dir", "lighting_intensity", "materials",
  "pose_cam", "pose_rot", "pose_scale"];

/** Return which parameters a list of sets differ in. */
function variedParameters(lists) {
  return PARAMETERS.filter((_, i) => new Set(lists.map((values) => values[i])).size > 1);
}

function number(text) { return text === "" || text === null ? NaN : Number(text); }

function shown(value) {
  if (typeof value === "number") return Number.isInteger(value) ? value.toLocaleString("en") : String(+value.toPrecision(5));
  return String(value);
}

/** Return a table whose columns sort by a click or Enter. */
function sortableTable(columns, rows, link) {
  const body = h("tbody", {});
  let order = { column: -1, down: false };
  const fill = (list) => body.replaceChildren(...list.map((row) => h("tr", {}, row.map((value, i) => {
    const numeric = !Number.isNaN(number(value));
    return h("td", { class: numeric && "number" }, link?.(columns[i], value) || (numeric ? shown(number(value)) : String(value)));
  }))));
  const heads = columns.map((name, i) => h("th", { scope: "col", "aria-sort": "none" }, h("button", { onclick() {
    order = { column: i, down: order.column === i ? !order.down : false };
    heads.forEach((head, k) => head.setAttribute("aria-sort", k !== i ? "none" : order.down ? "descending" : "ascending"));
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [number(a[i]), number(b[i])];
      return Number.isNaN(x) || Number.isNaN(y) ? String(a[i]).localeCompare(String(b[i])) : x - y;
    });
    fill(order.down ? sorted.reverse() : sorted);
  } }, name)));
  fill(rows);
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), body));
}

function heading(text) { return h("h3", {}, text); }

/** Return the class of an entry that came out well or badly, and a mark that does not need colours. */
function judged(entry) {
  const [kind, mark] = entry.good === true ? ["good", "✓ "] : entry.good === false ? ["bad", "✗ "] : ["", ""];
  return [kind, h("span", { class: "mark" }, mark)];
}

function verdict(entry) {
  if (!entry.verdict) return null;
  if (entry.sentences) return h("ul", { class: "verdict" }, entry.sentences.map((one) => h("li", {}, one)));
  const [kind, mark] = judged(entry);
  return h("p", { class: `verdict ${kind}` }, mark, entry.verdict);
}

function figures(entry) {
  return (entry.figures || []).map((figure) => h("figure", {},
    h("a", { href: fileAddress(figure.file) }, h("img", { src: fileAddress(figure.file), alt: `${entry.title}: ${figure.title}`, loading: "lazy" })),
    h("figcaption", {}, figure.title)));
}

function tables(entry) {
  return (entry.tables || []).map((table) => h("details", { open: entry.tables.length === 1 },
    h("summary", {}, `${table.title} (${table.count.toLocaleString("en")} rows)`),
    sortableTable(table.columns, table.rows),
    h("p", { class: "quiet" }, table.rows.length < table.count ? `The first ${table.rows.length} rows; all: ` : "File: ",
      h("a", { href: fileAddress(table.file) }, table.file))));
}

function facts(entry) {
  if (!entry.facts?.length) return [];
  return [h("details", {}, h("summary", {}, "Facts"), sortableTable(["name", "value"], entry.facts))];
}

/** Return what stands at the end of every entry. */
function ending(entry) {
  const parts = [];
  if (entry.figures?.length) parts.push(heading("Figures"), ...figures(entry));
  if (entry.tables?.length || entry.facts?.length) parts.push(heading("Tables"), ...tables(entry), ...facts(entry));
  if (entry.files) parts.push(h("p", { class: "quiet" }, "Files: ", h("a", { href: fileAddress(entry.files) }, entry.files)));
  return parts;
}

/** Show something large, until Esc. */
function enlarge(...content) {
  const dialog = document.getElementById("large");
  dialog.replaceChildren(...content, h("p", {}, h("button", { onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}
