// The views of a report and the links to them: #summary, #samples?…, #missing, #about, and #prompt/index for one sample.
"use strict";

nova.still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

nova.nameOf = (place) => `${nova_data.core.prompts.id[nova_data.core.samples.prompt[place]]}/${nova_data.core.samples.index[place]}`;

nova.score = (dimension, value, signed = false) => nova.fixed(value === null || value === undefined ? null : value * nova_data.core.scale, nova_data.core.decimals, signed);

// What a loaded dimension says of a sample of a run; null where it says nothing.
nova.rowOf = (dimension, place, run) => {
  const data = nova_data[dimension.name];
  data.places ??= new Map(data.at.map((at, n) => [at, n]));
  const n = data.places.get(place);
  if (n === undefined) return null;
  const column = data.runs[run];
  if (column.value[n] === null && column.weight[n] === 0 && !data.reasons[column.why[n]]) return null;
  return { value: column.value[n], weight: column.weight[n], why: data.reasons[column.why[n]], detail: column.detail[n] };
};

nova.report = (() => {
  const VIEWS = ["summary", "samples", "missing", "about"];
  let last = "summary"; // the link of the view behind a sample
  let places = null;

  function placeOf(name) {
    if (!places) {
      places = new Map();
      for (let n = 0; n < nova_data.core.samples.prompt.length; n += 1) places.set(nova.nameOf(n), n);
    }
    return places.get(name);
  }

  function show(view) {
    for (const name of VIEWS) {
      nova.by(`view-${name}`).hidden = name !== view;
      const link = document.querySelector(`nav a[href="#${name}"]`);
      if (name === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (view !== "samples") nova.players.giveAll(nova.by("viewer"));
  }

  function go() {
    let hash = location.hash.slice(1);
    try { hash = decodeURIComponent(hash); } catch { /* as it is */ }
    const place = placeOf(hash);
    if (place !== undefined) {
      if (document.querySelector("main > section:not([hidden])") === null || VIEWS.every((name) => !nova.by(`view-${name}`).hidden)) view(last);
      nova.viewer.open(place, nova.samples.run);
      return;
    }
    if (nova.viewer.place !== -1) nova.viewer.close();
    const [name] = location.hash.slice(1).split("?");
    if (name && !VIEWS.includes(name) && name !== "main") nova.announce(`There is no ${name} here`);
    view(location.hash.slice(1));
  }

  let shown = null;
  function view(hash) {
    const [name, query] = hash.split("?");
    const is = VIEWS.includes(name) ? name : "summary";
    last = is === name ? hash : "summary";
    const moved = shown !== is;
    shown = is;
    show(is);
    if (is === "samples") nova.samples.read(query ?? "");
    if (moved) scrollTo(0, 0);
  }

  function write(hash) {
    last = hash;
    try { history.replaceState(null, "", `#${hash}`); } catch { location.replace(`#${hash}`); }
  }

  function start() {
    nova.theme.start();
    nova.keys.add("Anywhere", () => true, [
      ["?", "this help", nova.keys.help],
      ["1", "summary", () => { location.hash = "summary"; }],
      ["2", "samples", () => { location.hash = "samples"; }],
      ["3", "what is unscored, and why", () => { location.hash = "missing"; }],
      ["4", "runs and protocol", () => { location.hash = "about"; }],
      ["t", "light or dark", nova.theme.next],
    ]);
    nova.samples.start(() => { const query = nova.samples.search(); write(`samples${query ? `?${query}` : ""}`); });
    nova.viewer.start(nova_data.core, () => nova.samples.found.length ? nova.samples.found : nova_data.core.samples.prompt.keys().toArray?.() ?? [...nova_data.core.samples.prompt.keys()],
      () => { if (placeOf(decodeURIComponent(location.hash.slice(1))) !== undefined) write(last); });
    nova.keys.start();
    addEventListener("hashchange", go);
    go();
  }
  return { start };
})();

nova.report.start();
