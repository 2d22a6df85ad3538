// All samples: filtered, ordered, and only those in view built, however many there are.
"use strict";

nova.samples = (() => {
  const WANT = { dimension: "", text: "", reason: "", low: "", high: "", verdict: "", change: "", sort: "", run: "1" };
  const ROOM = 3; // rows built beyond either edge of the window
  let want = { ...WANT };
  let found = [];
  let columns = 1;
  let height = 1;
  let playing = false;
  let changed = () => {};
  const cells = new Map(); // place in `found` → element
  const core = () => nova_data.core;
  const two = () => core().runs.length > 1;
  const field = (name) => nova.by(`filter-${name}`);

  function start(onChange) {
    changed = onChange;
    const dimensions = field("dimension");
    for (const one of core().dimensions) if (!one.extra) dimensions.append(nova.el("option", { value: one.name, text: one.label }));
    if (two()) for (const [n, run] of core().runs.entries()) if (n) field("run").append(nova.el("option", { value: String(n), text: run.label }));
    for (const name of ["verdict", "change", "run"]) field(name).closest("label").hidden = !two();
    for (const option of field("sort").querySelectorAll("[data-two]")) option.hidden = option.disabled = !two();
    field("run").closest("label").hidden = core().runs.length < 3;
    for (const name of Object.keys(WANT)) field(name).addEventListener("input", () => set({ [name]: field(name).value }));
    nova.by("more").open = innerWidth > 820;
    nova.by("filter-clear").addEventListener("click", () => set({ ...WANT, run: want.run }));
    nova.by("play-all").addEventListener("click", playAll);
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", () => { cells.forEach((cell) => leave(cell)); cells.clear(); nova.by("list").replaceChildren(); later(); });
    nova.keys.add("Samples", () => !nova.by("view-samples").hidden && !nova.by("viewer").open, [
      ["/", "search the prompts", () => field("text").focus()],
      ["j or ArrowRight", "the next sample", () => move(1)],
      ["k or ArrowLeft", "the sample before", () => move(-1)],
      ["ArrowDown", "a row down", () => move(columns)],
      ["ArrowUp", "a row up", () => move(-columns)],
      ["p", "play all that are in view, or stop", playAll],
      ["x", "clear the filters", () => set({ ...WANT, run: want.run })],
    ]);
  }

  // Takes what is wanted from the words of a link, as `search` makes them.
  function read(query) {
    const given = new URLSearchParams(query);
    want = { ...WANT };
    for (const name of Object.keys(WANT)) if (given.has(name)) want[name] = given.get(name);
    if (!core().runs[Number(want.run)]) want.run = "1";
    for (const [name, value] of Object.entries(want)) field(name).value = value;
    return refresh();
  }

  function search() {
    const told = new URLSearchParams();
    for (const [name, value] of Object.entries(want)) if (value !== WANT[name]) told.set(name, value);
    return told.toString();
  }

  function set(some) {
    want = { ...want, ...some };
    for (const [name, value] of Object.entries(some)) if (field(name).value !== value) field(name).value = value;
    changed();
    return refresh();
  }

  const dimensionOf = () => core().dimensions.find((one) => one.name === want.dimension) ?? null;
  const other = () => (two() ? Number(want.run) : 0);

  // Filters and orders. Scores and reasons come from the dimension's own file, loaded when first asked for.
  async function refresh() {
    const dimension = dimensionOf();
    const all = core();
    const needed = want.reason && !dimension ? all.dimensions : dimension ? [dimension] : [];
    await Promise.all(needed.map((one) => nova.load(one.name, one.file)));
    const text = want.text.toLowerCase(), reason = want.reason.toLowerCase();
    const low = want.low === "" ? null : Number(want.low) / all.scale, high = want.high === "" ? null : Number(want.high) / all.scale;
    const slack = 1e-9;
    const last = all.runs.length > 1 ? other() : 0;
    const keep = [];
    for (let place = 0; place < all.samples.prompt.length; place += 1) {
      const prompt = all.samples.prompt[place];
      if (text && !all.prompts.text[prompt].toLowerCase().includes(text) && !nova.nameOf(place).includes(text)) continue;
      if (dimension && !all.samples.has[place].includes(all.dimensions.indexOf(dimension))) continue;
      if (want.verdict && !(dimension ? [dimension] : all.samples.has[place].map((n) => all.dimensions[n])).some((one) => one.verdicts[last - 1] === want.verdict)) continue;
      const value = valueOf(dimension, place, last);
      if (low !== null && !(value !== null && value >= low - slack)) continue;
      if (high !== null && !(value !== null && value <= high + slack)) continue;
      if (reason && !reasonsOf(dimension, place).some((one) => one.toLowerCase().includes(reason))) continue;
      if (want.change && kindOf(dimension, place) !== want.change) continue;
      keep.push(place);
    }
    found = ordered(keep, dimension, last);
    const what = `${found.length} of ${all.samples.prompt.length} samples`;
    nova.by("count").textContent = what;
    nova.announce(what);
    datalist(needed);
    for (const cell of cells.values()) leave(cell);
    cells.clear();
    nova.by("list").replaceChildren();
    nova.by("none").hidden = found.length > 0;
    lay();
  }

  function ordered(places, dimension, last) {
    const sort = want.sort || (two() ? "regressions" : "suite");
    if (sort === "suite") return places;
    const sign = dimension ? dimension.better : 1;
    const key = {
      worst: (place) => rank(valueOf(dimension, place, last), sign),
      best: (place) => rank(valueOf(dimension, place, last), -sign),
      regressions: (place) => rank(changeOf(dimension, place), 1),
      improvements: (place) => rank(changeOf(dimension, place), -1),
    }[sort];
    const keyed = places.map((place) => [key(place), place]);
    keyed.sort((one, next) => one[0] - next[0] || one[1] - next[1]);
    return keyed.map(([, place]) => place);
  }

  const rank = (value, sign) => (value === null ? Infinity : sign * value);

  // The score of one dimension, or the mean of all, of one run.
  function valueOf(dimension, place, run) {
    if (!dimension) return core().runs[run].mean[place];
    return nova.rowOf(dimension, place, run)?.value ?? null;
  }

  // Positive where the other run is better.
  function changeOf(dimension, place) {
    const before = valueOf(dimension, place, 0), after = valueOf(dimension, place, other());
    return before === null || after === null ? null : (after - before) * (dimension ? dimension.better : 1);
  }

  function kindOf(dimension, place) {
    const by = two() ? changeOf(dimension, place) : null;
    return by === null ? "" : by < 0 ? "worse" : by > 0 ? "better" : "same";
  }

  function reasonsOf(dimension, place) {
    const all = core();
    const of = dimension ? [dimension] : all.samples.has[place].map((n) => all.dimensions[n]);
    const told = all.runs.map((run) => run.why[place] ?? "");
    for (const one of of) for (let run = 0; run < all.runs.length; run += 1) {
      const row = nova.rowOf(one, place, run);
      if (row?.why) told.push(row.value === null && row.weight ? `unscored: ${row.why}` : row.why);
      if (typeof row?.detail?.reason === "string") told.push(row.detail.reason);
    }
    return told.filter(Boolean);
  }

  function datalist(dimensions) {
    const told = new Set(dimensions.flatMap((one) => nova_data[one.name].reasons).filter(Boolean));
    nova.by("reasons").replaceChildren(...[...told].slice(0, 100).map((value) => nova.el("option", { value })));
  }

  // --- only what is in view ---------------------------------------------------------------------------------------

  let asked = false;
  function later() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; lay(); });
  }

  function lay() {
    const list = nova.by("list");
    if (nova.by("view-samples").hidden) return;
    const width = list.clientWidth;
    const narrowest = two() ? 300 : 190;
    columns = Math.max(1, Math.floor((width + 14) / (narrowest + 14)));
    const cell = (width - 14 * (columns - 1)) / columns;
    const size = core().runs[0].size.find(Boolean) ?? [1, 1];
    const shots = two() ? 2 : 1;
    const picture = Math.round(Math.min(240, ((cell - 22 - 6 * (shots - 1)) / shots) * (size[1] / size[0])));
    height = picture + 88;
    list.style.setProperty("--picture", `${picture}px`);
    list.style.height = `${Math.ceil(found.length / columns) * (height + 14)}px`;
    const top = list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / (height + 14)) - ROOM) * columns;
    const last = Math.min(found.length, (Math.ceil((innerHeight - top) / (height + 14)) + ROOM) * columns);
    for (const [n, element] of cells) if (n < first || n >= last) { leave(element); element.remove(); cells.delete(n); }
    for (let n = first; n < last; n += 1) {
      if (!cells.has(n)) {
        const element = build(n);
        cells.set(n, element);
        list.append(element);
      }
      const element = cells.get(n);
      element.style.width = `${cell}px`;
      element.style.height = `${height}px`;
      element.style.transform = `translate(${(n % columns) * (cell + 14)}px, ${Math.floor(n / columns) * (height + 14)}px)`;
    }
    if (playing) playVisible();
  }

  function build(n) {
    const place = found[n];
    const all = core();
    const dimension = dimensionOf();
    const text = all.prompts.text[all.samples.prompt[place]];
    const runs = two() ? [0, other()] : [0];
    const shots = runs.map((run) => nova.shot(all.runs[run], place, ""));
    const values = runs.map((run) => valueOf(dimension, place, run));
    const badges = values.map((value, m) => nova.el("span", { class: `score run${runs[m] % 6}`, text: shownValue(dimension, value) }));
    const by = two() ? changeOf(dimension, place) : null;
    if (by !== null) badges.push(nova.el("span", { class: `chip ${kindOf(dimension, place)}`, text: by === 0 ? "same" : nova.fixed(by * all.scale * (dimension?.better ?? 1), 1, true) }));
    const said = `${text.slice(0, 200)}, sample ${all.samples.index[place]}, ${dimension ? dimension.label : "mean of its scores"} ${values.map((value) => shownValue(dimension, value)).join(" and ")}`;
    const link = nova.el("a", { href: `#${nova.nameOf(place)}`, "aria-label": said },
      nova.el("div", { class: "shots" }, ...shots),
      nova.el("p", { class: "prompt", text: text.slice(0, 300), dir: "auto" }),
      nova.el("p", { class: "badges" }, nova.el("span", { class: "quiet name", text: nova.nameOf(place) }), ...badges));
    const cell = nova.el("div", { class: "cell", role: "listitem", "aria-posinset": String(n + 1), "aria-setsize": String(found.length) }, link);
    cell.shots = shots;
    cell.addEventListener("pointerenter", () => enter(cell));
    cell.addEventListener("pointermove", (event) => {
      const box = cell.getBoundingClientRect();
      if (nova.still() && !playing) for (const shot of shots) shot.scrub?.((event.clientX - box.left) / box.width);
    });
    cell.addEventListener("pointerleave", () => { if (!playing) leave(cell); });
    link.addEventListener("focus", () => enter(cell));
    link.addEventListener("blur", () => { if (!playing) leave(cell); });
    return cell;
  }

  const shownValue = (dimension, value) => (dimension ? nova.score(dimension, value) : nova.fixed(value === null ? null : value * core().scale, Math.max(0, core().decimals - 1)));

  function enter(cell) {
    if (!nova.still()) for (const shot of cell.shots) shot.play?.();
  }

  function leave(cell) {
    for (const shot of cell.shots) shot.rest?.();
  }

  function playAll() {
    playing = !playing;
    nova.by("play-all").setAttribute("aria-pressed", String(playing));
    if (playing) playVisible();
    else for (const cell of cells.values()) leave(cell);
    nova.announce(playing ? "Playing what is in view" : "Stopped");
  }

  // Players go to cells in the window, nearest to its top first, until all are taken.
  function playVisible() {
    const inView = (cell) => {
      const box = cell.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight;
    };
    for (const cell of cells.values()) if (!inView(cell)) leave(cell);
    for (const [, cell] of [...cells].sort((one, next) => one[0] - next[0])) if (inView(cell)) for (const shot of cell.shots) shot.play?.();
  }

  function move(by) {
    const links = [...cells].sort((one, next) => one[0] - next[0]);
    const at = links.find(([, cell]) => cell.contains(document.activeElement))?.[0];
    const next = at === undefined ? (links.find(([, cell]) => cell.getBoundingClientRect().top >= 0)?.[0] ?? 0) : Math.max(0, Math.min(found.length - 1, at + by));
    const list = nova.by("list");
    const top = list.getBoundingClientRect().top + scrollY + Math.floor(next / columns) * (height + 14);
    if (top < scrollY + 120 || top + height > scrollY + innerHeight) scrollTo(0, Math.max(0, top - 140));
    lay();
    cells.get(next)?.querySelector("a").focus({ preventScroll: true });
  }

  return { start, read, search, set, lay, get found() { return found; }, get run() { return other() || 1; }, stop: () => { if (playing) playAll(); } };
})();
