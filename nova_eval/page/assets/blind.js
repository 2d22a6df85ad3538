// Votes on pairs: keys to vote, what was voted is kept in the browser, and saved as a file for `compare --votes`.
"use strict";

nova.still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

nova.blind = (() => {
  const core = nova_data.core;
  const name = `nova_eval votes ${core.id}`;
  let votes = {}; // by the pair's check
  let at = 0;
  let panes = null;

  function start() {
    nova.theme.start();
    votes = nova.keep.get(name) ?? {};
    at = core.items.findIndex((item) => !(item.check in votes));
    if (at < 0) at = core.items.length - 1;
    panes = new nova.Panes(nova.by("stage"), { bar: nova.by("clock"), play: nova.by("play"), back: nova.by("back"), forth: nova.by("forth"),
      speed: nova.by("speed"), seek: nova.by("seek"), at: nova.by("at") });
    for (const button of document.querySelectorAll("[data-vote]")) button.addEventListener("click", () => vote(button.dataset.vote));
    nova.by("undo").addEventListener("click", () => go(-1));
    nova.by("next").addEventListener("click", () => go(1));
    nova.by("save").addEventListener("click", save);
    nova.keys.add("Votes", () => true, [
      ["ArrowLeft or 1", "the left one is better", () => vote("left")],
      ["ArrowDown or 2", "no difference", () => vote("same")],
      ["ArrowRight or 3", "the right one is better", () => vote("right")],
      ["s", "cannot say", () => vote("skip")],
      ["Backspace or k", "the pair before", () => go(-1)],
      ["j", "the next pair", () => go(1)],
      ["Space", "play, pause", () => panes.toggle()],
      [",", "a frame back", () => panes.step(-1)],
      [".", "a frame forth", () => panes.step(1)],
      ["q", "speed: 1, ½, ¼", () => panes.nextRate()],
      ["v", "save the votes", save],
      ["t", "light or dark", nova.theme.next],
      ["?", "this help", nova.keys.help],
    ]);
    nova.keys.start();
    show();
  }

  function show() {
    const item = core.items[at];
    nova.by("prompt").textContent = item.text;
    nova.by("prompt").dir = "auto";
    panes.show(item.sides.map((side, n) => ({ ...side, file: `media/${side.file}`, fps: side.fps || 8, label: n ? "Right" : "Left", said: n ? "Right" : "Left" })))
      .then(() => { if (core.items[at] === item && !nova.still()) panes.play(); });
    say();
  }

  function say() {
    const done = Object.keys(votes).length;
    nova.by("progress").value = done;
    nova.by("done").textContent = `pair ${at + 1} of ${core.items.length}, ${done} voted on`;
    for (const button of document.querySelectorAll("[data-vote]")) button.setAttribute("aria-pressed", String(votes[core.items[at].check] === button.dataset.vote));
  }

  function vote(word) {
    votes[core.items[at].check] = word;
    nova.by("kept").textContent = nova.keep.set(name, votes)
      ? "Votes are kept in this browser. Save them when you are done, or have had enough."
      : "This browser keeps nothing: save the votes before you close the page.";
    const said = { left: "Left", right: "Right", same: "No difference", skip: "Passed over" }[word];
    if (at < core.items.length - 1) {
      at += 1;
      show();
      nova.announce(`${said}. Pair ${at + 1}: ${core.items[at].text}`);
    } else {
      say();
      nova.announce(`${said}. That was the last pair. Save the votes.`);
    }
  }

  function go(by) {
    at = Math.max(0, Math.min(core.items.length - 1, at + by));
    show();
  }

  function told() {
    return { kind: "nova_eval votes", schema: 1, report: core.id, seed: core.seed,
      votes: core.items.filter((item) => item.check in votes).map((item) => ({ key: item.key, check: item.check, vote: votes[item.check] })) };
  }

  function save() {
    const url = URL.createObjectURL(new Blob([`${JSON.stringify(told(), null, 1)}\n`], { type: "application/json" }));
    const link = nova.el("a", { href: url, download: `votes-${core.id.slice(0, 8)}.json` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    nova.announce("Saved");
  }

  return { start, told, get at() { return at; } };
})();

nova.blind.start();
