// Simulated sets: chosen by parameter, one or two side by side.
view("sets", (entry, section) => {
  const all = section.entries;
  const varied = PARAMETERS.filter((name) => new Set(all.map((one) => one.parameters[name])).size > 1);
  const frame = h("div", { class: "frame" });
  const [controls, settings] = galleryControls(frame);
  const sides = h("div", { class: "sides" });

  /** Return one side: selects of the parameters, and the gallery of the set that they name. */
  const side = (chosen, change) => {
    const choose = (name, value) => {
      const wanted = { ...chosen.parameters, [name]: value };
      const same = (one) => PARAMETERS.every((key) => one.parameters[key] === wanted[key]);
      change(all.find((one) => same(one) && one.seed === chosen.seed) || all.find(same));
    };
    const selects = varied.map((name) => h("label", {}, `${name} `, h("select", {
      "data-parameter": name, onchange: (event) => choose(name, Number(event.target.value)),
    }, [...new Set(all.map((one) => one.parameters[name]))].sort().map((value) =>
      h("option", { value, selected: value === chosen.parameters[name] }, String(value))))));
    return h("section", { "aria-label": chosen.title }, h("div", { class: "controls" }, selects),
      h("p", {}, h("a", { href: entryAddress("sets", chosen.id) }, chosen.id), ` ${chosen.verdict}`), galleryOf(chosen.gallery, settings));
  };
  let [left, right] = [entry, null];
  const second = h("select", { id: "second-set", onchange(event) { right = findEntry("sets", event.target.value) || null; draw(); } },
    h("option", { value: "" }, "none"), all.filter((one) => one !== entry).map((one) => h("option", { value: one.id }, one.title)));
  const draw = () => {
    settings.redraw = [];
    sides.replaceChildren(side(left, (one) => { if (one) left = one; draw(); }),
      ...(right ? [side(right, (one) => { if (one) right = one; second.value = right.id; draw(); })] : []));
  };
  controls.append(h("label", {}, "Beside it ", second));
  frame.append(controls, sides);
  draw();
  const rewards = findSection("reward_db")?.entries.filter((one) => one.sets[entry.id]) || [];
  return [heading("Pictures"), frame, ...rewards.map((one) => h("p", {}, "Its accuracy on every task: ", entryLink("reward_db", one.id, one.title)))];
});
