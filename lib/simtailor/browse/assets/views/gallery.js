// Galleries: thumbnails from sheets, a few hundred at a time, as they scroll into view.
const GALLERIES = {};
const AT_ONCE = 300;

/** Called by the file of a gallery's data. */
function receiveGallery(name, data) { GALLERIES[name].resolve(data); }

/** Return a promise of a gallery's data; its file is a script, which may be read from disk. */
function loadGallery(file) {
  const name = file.split("/").at(-2);
  if (!GALLERIES[name]) {
    const waiting = GALLERIES[name] = {};
    waiting.data = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    document.head.append(h("script", { src: fileAddress(file), onerror: () => waiting.reject(new Error(file)) }));
  }
  return GALLERIES[name].data;
}

/** Return a thumbnail; its mask and boxes are there, and shown where the gallery shows them. */
function thumbnail(folder, data, place, tag) {
  const perSheet = data.columns * data.rows;
  const [sheet, within] = [Math.floor(place / perSheet), place % perSheet];
  const at = `-${(within % data.columns) * data.size}px -${Math.floor(within / data.columns) * data.size}px`;
  const file = `${folder}/${String(sheet).padStart(3, "0")}`;
  const [index, label, boxes] = data.items[place];
  const name = data.classes[label] ?? "no object";
  const style = (ending) => `background-image:url("${file}.${ending}");background-position:${at}`;
  return h(tag || "button", {
    class: "thumb", style: style("jpg"), title: `${name}, image ${index}`, "aria-label": `${name}, image ${index}`,
    onclick(event) { // as large as its sheet allows, with masks and boxes where they are on
      if (tag) return;
      const shown = event.currentTarget.closest(".frame").className;
      enlarge(h("div", { class: shown }, thumbnail(folder, data, place, "div")), h("p", {}, `${name}, image ${index}`));
    },
  }, data.masks && h("i", { style: style("png") }), boxes.map(([, x, y, w, height]) =>
    h("b", { style: `left:${100 * x}%;top:${100 * y}%;width:${100 * w}%;height:${100 * height}%` })));
}

/** Return a gallery of a file's pictures; ``settings`` are shared by galleries side by side. */
function galleryOf(file, settings) {
  const box = h("div", { class: "gallery", role: "group", "aria-label": "Pictures" }, "Reading …");
  const more = h("div", { class: "more" });
  const folder = fileAddress(file.split("/").slice(0, -1).join("/"));
  const whole = h("div", {}, box, more);
  loadGallery(file).then((data) => {
    let chosen = [], next = 0;
    const add = () => {
      const some = chosen.slice(next, next + AT_ONCE);
      next += some.length;
      box.append(...some.map((place) => thumbnail(folder, data, place)));
    };
    const watcher = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) add(); }, { rootMargin: "600px" });
    const draw = () => {
      const label = settings.label;
      chosen = data.items.map((_, place) => place).filter((place) => label === "" || data.classes[data.items[place][1]] === label);
      next = 0;
      box.replaceChildren();
      add();
      watcher.unobserve(more);
      watcher.observe(more);
      settings.counted?.(chosen.length);
    };
    settings.classes(data.classes);
    settings.redraw.push(draw);
    draw();
  }, () => box.replaceChildren(`${file} cannot be read: the page needs the folder "index" beside it.`));
  return whole;
}

/** Return the controls of galleries, and the settings that they change. */
function galleryControls(frame) {
  const choice = h("select", { id: "class-choice" }, h("option", { value: "" }, "all classes"));
  const count = h("output", { class: "quiet" });
  const settings = {
    label: "", redraw: [],
    counted: (n) => { count.textContent = `${n.toLocaleString("en")} pictures`; },
    classes(names) {
      const known = new Set([...choice.options].map((option) => option.value));
      choice.append(...names.filter((name) => !known.has(name)).map((name) => h("option", {}, name)));
    },
  };
  choice.addEventListener("change", () => { settings.label = choice.value; settings.redraw.forEach((draw) => draw()); });
  const toggle = (text, name) => h("label", {}, h("input", { type: "checkbox", onchange(event) {
    frame.classList.toggle(name, event.target.checked);
  } }), ` ${text}`);
  const controls = h("div", { class: "controls" }, h("label", {}, "Class ", choice), toggle("masks", "show-masks"), toggle("boxes", "show-boxes"), count);
  return [controls, settings];
}

view("datasets", (entry) => {
  const frame = h("div", { class: "frame" });
  const [controls, settings] = galleryControls(frame);
  frame.append(controls, galleryOf(entry.gallery, settings));
  return [heading("Pictures"), frame];
});
