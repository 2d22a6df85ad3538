// One sample, or the same prompt and seed of two runs: clips under one clock, scores, reasons and what judges saw.
"use strict";

nova.viewer = (() => {
  const dialog = () => nova.by("viewer");
  let panes = null;
  let now = { place: -1, other: 1, drawn: true };
  let list = () => [];
  let closed = () => {};

  function start(core, listed, onClose) {
    list = listed;
    closed = onClose;
    const modes = { side: nova.by("mode-side"), wipe: nova.by("mode-wipe"), difference: nova.by("mode-difference") };
    panes = new nova.Panes(nova.by("stage"), {
      bar: nova.by("clock"), play: nova.by("play"), back: nova.by("back"), forth: nova.by("forth"), speed: nova.by("speed"),
      seek: nova.by("seek"), at: nova.by("at"), modes,
    });
    for (const [name, button] of Object.entries(modes)) button.addEventListener("click", () => panes.setMode(name));
    nova.by("modes").hidden = core.runs.length < 2;
    nova.by("drawn").addEventListener("click", draw);
    nova.by("earlier").addEventListener("click", () => go(-1));
    nova.by("later").addEventListener("click", () => go(1));
    nova.by("copy").addEventListener("click", copy);
    nova.by("viewer-close").addEventListener("click", () => dialog().close());
    dialog().addEventListener("close", () => { panes.clear(); now.place = -1; closed(); });
    nova.keys.add("A sample", () => dialog().open, [
      ["Space", "play, pause", () => panes.toggle()],
      [", or ArrowLeft", "a frame back", () => panes.step(-1)],
      [". or ArrowRight", "a frame forth", () => panes.step(1)],
      ["s", "speed: 1, ½, ¼", () => panes.nextRate()],
      ["k or ArrowUp", "the sample before", () => go(-1)],
      ["j or ArrowDown", "the next sample", () => go(1)],
      ["b", "side by side", () => panes.setMode("side")],
      ["w", "wipe", () => panes.setMode("wipe")],
      ["d", "difference", () => panes.setMode("difference")],
      ["[", "wipe to the left", () => panes.wipe(panes.wiped - 0.05)],
      ["]", "wipe to the right", () => panes.wipe(panes.wiped + 0.05)],
      ["o", "show or hide what judges saw", draw],
      ["c", "copy the link", copy],
      ["Escape", "close", () => dialog().close()],
    ]);
  }

  function go(by) {
    const all = list();
    const at = all.indexOf(now.place);
    const next = all[(at + by + all.length) % all.length];
    if (next !== undefined) location.replace(`#${nova.nameOf(next)}`);
  }

  async function copy() {
    const link = location.href;
    try {
      await navigator.clipboard.writeText(link);
      nova.announce("Link copied");
    } catch {
      nova.announce(`Link: ${link}`);
    }
  }

  function draw() {
    now.drawn = !now.drawn;
    nova.by("drawn").setAttribute("aria-pressed", String(now.drawn));
    for (const svg of nova.by("stage").querySelectorAll(".overlay")) svg.classList.toggle("hidden", !now.drawn);
  }

  const sides = () => (nova_data.core.runs.length > 1 ? [0, now.other] : [0]);

  async function open(place, other) {
    const core = nova_data.core;
    if (now.place === place && now.other === other && dialog().open) return;
    now = { ...now, place, other };
    nova.players.giveAll();
    const prompt = core.samples.prompt[place];
    const text = core.prompts.text[prompt];
    nova.by("viewer-title").textContent = text;
    nova.by("viewer-title").dir = "auto";
    nova.by("viewer-name").textContent = nova.nameOf(place);
    nova.by("viewer-facts").replaceChildren(...facts(place, prompt));
    nova.by("scores").replaceChildren(nova.el("p", { class: "quiet", text: "Loading scores …" }));
    if (!dialog().open) dialog().showModal();
    dialog().scrollTop = 0;
    const shown = sides().map((run) => {
      const data = core.runs[run];
      const file = data.file[place];
      return {
        file: file ? `media/${file}` : "", size: data.size[place], frames: data.frames[place], fps: data.fps[place] || 8,
        label: core.runs.length > 1 ? data.label : "", kind: `run${run % 6}`, why: data.why[place], said: `${data.label}: ${text}`,
      };
    });
    panes.show(shown).then(() => { if (now.place === place && !nova.still()) panes.play(); });
    const has = core.samples.has[place];
    try {
      await Promise.all(has.map((n) => nova.load(core.dimensions[n].name, core.dimensions[n].file)));
    } catch (error) {
      nova.by("scores").replaceChildren(nova.el("p", { role: "alert", text: error.message }));
      return;
    }
    if (now.place === place) scores(place, has, core.prompts.asked[prompt]);
  }

  function facts(place, prompt) {
    const core = nova_data.core;
    const said = [];
    if (core.prompts.sampled[prompt]) said.push(["Sampled from", core.prompts.sampled[prompt]]);
    for (const run of sides()) {
      const data = core.runs[run];
      if (data.seed[place] === null) continue;
      const size = data.size[place];
      const length = data.fps[place] ? `, ${data.frames[place]} frames at ${Number(data.fps[place].toFixed(3))} a second` : "";
      said.push([core.runs.length > 1 ? data.label : "Sample", `seed ${data.seed[place]}, ${size[0]} × ${size[1]}${length}`]);
    }
    const asked = core.prompts.asked[prompt];
    for (const [name, value] of Object.entries(asked ?? {})) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      if (text.length <= 300) said.push([`asked: ${name.replaceAll("_", " ")}`, text]);
    }
    return said.map(([name, value]) => nova.el("div", {}, nova.el("dt", { text: name }), nova.el("dd", { text: value, dir: "auto" })));
  }

  function scores(place, has, asked) {
    const core = nova_data.core;
    const rows = has.map((n) => one(core.dimensions[n], place, asked));
    nova.by("scores").replaceChildren(...(rows.length ? rows : [nova.el("p", { class: "quiet", text: "No score wants this sample." })]));
    const drawn = sides().map((run) => has.flatMap((n) => {
      const row = nova.rowOf(core.dimensions[n], place, run);
      return row?.detail ? nova.details.boxes(row.detail, core.runs[run].size[place]) : [];
    }));
    nova.by("drawn").hidden = !drawn.some((boxes) => boxes.length);
    panes.panes.forEach((pane, n) => {
      pane.box.querySelector(".overlay")?.remove();
      if (drawn[n]?.length && pane.size) pane.box.append(nova.details.overlay(drawn[n], pane.size));
    });
    for (const svg of nova.by("stage").querySelectorAll(".overlay")) svg.classList.toggle("hidden", !now.drawn);
  }

  function one(dimension, place, asked) {
    const runs = sides().map((run) => nova.rowOf(dimension, place, run));
    const shown = nova_data.core;
    const head = nova.el("header", {}, nova.el("h3", { text: dimension.label + (dimension.extra ? " (measured on the way)" : "") }));
    runs.forEach((row, n) => head.append(nova.el("span", { class: `score run${sides()[n] % 6}`, title: shown.runs[sides()[n]].label, text: row ? nova.score(dimension, row.value) : "–" })));
    if (runs.length > 1 && runs[0]?.value !== null && runs[1]?.value !== null && runs[0] && runs[1]) {
      const by = runs[1].value - runs[0].value;
      const kind = by === 0 ? "same" : by * dimension.better < 0 ? "worse" : "better";
      head.append(nova.el("span", { class: `chip ${kind}`, text: by === 0 ? "the same" : nova.score(dimension, by, true) }));
    }
    const box = nova.el("section", { class: "one" }, head, scale(dimension, runs));
    runs.forEach((row, n) => {
      if (!row) return;
      const told = [];
      if (row.value === null) told.push(nova.el("p", { class: "why", text: row.weight ? `Unscored: ${row.why}` : `Left out by the rule: ${row.why}` }));
      else if (row.why) told.push(nova.el("p", { class: "why", text: row.why }));
      if (row.detail) told.push(nova.details.render(row.detail, asked));
      if (told.length) box.append(nova.el("div", { class: `said-by run${sides()[n] % 6}` }, runs.length > 1 ? nova.el("h4", { text: shown.runs[sides()[n]].label }) : null, ...told));
    });
    return box;
  }

  function scale(dimension, runs) {
    const track = nova.el("div", { class: "scale", "aria-hidden": "true" });
    runs.forEach((row, n) => {
      if (!row || row.value === null) return;
      const dot = nova.el("span", { class: `dot run${sides()[n] % 6}` });
      dot.style.left = `${Math.max(0, Math.min(1, (row.value - dimension.low) / (dimension.high - dimension.low))) * 100}%`;
      track.append(dot);
    });
    return track;
  }

  return { start, open, get panes() { return panes; }, get place() { return now.place; }, close: () => dialog().open && dialog().close() };
})();
