// One or two clips under one clock: play, step by frames, slowly, side by side, wiped over each other, or their difference.
"use strict";

nova.Panes = class {
  constructor(stage, controls) {
    this.stage = stage;
    this.panes = [];
    this.frame = 0;
    this.rate = 1;
    this.playing = false;
    this.mode = "side";
    this.wiped = 0.5;
    this.parts = controls;
    controls.play?.addEventListener("click", () => this.toggle());
    controls.back?.addEventListener("click", () => this.step(-1));
    controls.forth?.addEventListener("click", () => this.step(1));
    controls.speed?.addEventListener("click", () => this.nextRate());
    controls.seek?.addEventListener("input", () => this.seek(Number(controls.seek.value)));
    stage.addEventListener("pointermove", (event) => this.wipeAt(event));
  }

  // `shown` holds {file, size, frames, fps, label, why}. Files that do not move are pictures and need no clock.
  show(shown) {
    this.clear();
    this.stage.replaceChildren();
    this.panes = shown.map((one, n) => {
      const box = nova.el("div", { class: `pane pane${n}` });
      const frame = nova.el("figure", { class: "side" }, one.label ? nova.el("figcaption", { text: one.label, class: one.kind }) : null, box);
      this.stage.append(frame);
      let video = null;
      if (!one.file) box.append(nova.el("p", { class: "absent", text: one.why || "no sample" }));
      else if (nova.isClip(one.file)) {
        video = nova.players.take(box, one.file, "auto");
        video.setAttribute("aria-label", one.said);
        video.removeAttribute("aria-hidden");
      } else box.append(nova.el("img", { src: one.file, alt: one.said, draggable: "false" }));
      if (one.size) {
        box.style.aspectRatio = `${one.size[0]} / ${one.size[1]}`;
        box.style.maxWidth = `calc(58vh * ${(one.size[0] / one.size[1]).toFixed(4)})`;
        box.classList.toggle("small", one.size[1] < 200);
      }
      return { ...one, box, video };
    });
    this.videos = this.panes.filter((pane) => pane.video);
    this.clock = this.videos.reduce((most, pane) => (most && most.frames / most.fps >= pane.frames / pane.fps ? most : pane), null);
    this.frame = 0;
    this.setMode(shown.length > 1 ? this.mode : "side");
    this.say();
    if (this.videos.length) {
      this.ready = Promise.all(this.videos.map(({ video }) => nova.Panes.when(video, "loadeddata", () => video.readyState >= 2)));
      return this.ready.then(() => this.seek(0));
    }
    return Promise.resolve();
  }

  static when(video, event, already) {
    return already() ? Promise.resolve() : new Promise((resolve) => {
      video.addEventListener(event, resolve, { once: true });
      video.addEventListener("error", resolve, { once: true });
    });
  }

  clear() {
    this.pause();
    for (const pane of this.panes) nova.players.give(pane.box);
    this.panes = [];
    this.videos = [];
    this.clock = null;
  }

  get last() { return this.clock ? this.clock.frames - 1 : 0; }

  // Shows frame `number` of the clock on every side, each at the same time in its clip.
  seek(number) {
    if (!this.clock) return Promise.resolve();
    this.pause();
    this.frame = Math.max(0, Math.min(this.last, number));
    this.say();
    return this.place((this.frame + 0.5) / this.clock.fps);
  }

  place(time) {
    return Promise.all(this.videos.map(({ video, frames, fps }) => {
      const at = Math.min(time, (frames - 0.5) / fps);
      if (Math.abs(video.currentTime - at) < 1e-4) return Promise.resolve();
      const there = new Promise((resolve) => { video.addEventListener("seeked", resolve, { once: true }); });
      video.currentTime = at;
      return there;
    }));
  }

  step(by) { return this.seek(this.frame + by); }

  toggle() { return this.playing ? this.pause() : this.play(); }

  async play() {
    if (!this.clock || this.playing) return;
    this.playing = true;
    this.say();
    if (this.frame >= this.last) await this.place(0);
    await this.ready;
    for (const { video } of this.videos) video.playbackRate = this.rate;
    await Promise.all(this.videos.map(({ video }) => video.play().catch(() => {})));
    this.tick();
  }

  // The clock's clip runs by itself; the others are led to it: a little faster or slower, or set where they have to be.
  tick() {
    if (!this.playing || !this.clock) return;
    const main = this.clock.video;
    for (const { video, fps, frames } of this.videos) {
      if (video === main) continue;
      const ahead = (video.currentTime - Math.min(main.currentTime, (frames - 0.5) / fps)) * fps;
      if (Math.abs(ahead) > 0.8 && !video.seeking) video.currentTime = Math.min(main.currentTime, (frames - 0.5) / fps);
      else video.playbackRate = this.rate * (Math.abs(ahead) < 0.05 ? 1 : Math.max(0.5, Math.min(1.5, 1 - ahead * 0.6)));
    }
    this.frame = Math.min(this.last, Math.floor(main.currentTime * this.clock.fps + 1e-6));
    this.say();
    if (main.ended || main.currentTime >= this.clock.frames / this.clock.fps - 1e-3) {
      this.again();
      return;
    }
    requestAnimationFrame(() => this.tick());
  }

  async again() {
    for (const { video } of this.videos) video.pause();
    await this.place(0);
    if (!this.playing) return;
    await Promise.all(this.videos.map(({ video }) => video.play().catch(() => {})));
    this.tick();
  }

  pause() {
    this.playing = false;
    for (const { video } of this.videos ?? []) video.pause();
    this.say();
  }

  nextRate() {
    this.rate = { 1: 0.5, 0.5: 0.25, 0.25: 1 }[this.rate];
    for (const { video } of this.videos ?? []) video.playbackRate = this.rate;
    this.say();
    nova.announce(`Speed ${this.rate}`);
  }

  setMode(mode) {
    this.mode = mode;
    const at = this.panes.length > 1 ? mode : "side";
    this.stage.dataset.mode = at;
    this.stage.classList.toggle("two", this.panes.length > 1);
    for (const [name, button] of Object.entries(this.parts.modes ?? {})) button.setAttribute("aria-pressed", String(name === at));
    this.wipe(this.wiped);
  }

  wipeAt(event) {
    if (this.stage.dataset.mode !== "wipe" || !this.panes.length) return;
    const box = this.panes[0].box.getBoundingClientRect();
    this.wipe((event.clientX - box.left) / box.width);
  }

  wipe(share) {
    this.wiped = Math.max(0, Math.min(1, share));
    const over = this.panes[1]?.box;
    if (over) over.style.clipPath = this.stage.dataset.mode === "wipe" ? `inset(0 0 0 ${this.wiped * 100}%)` : "";
    this.stage.style.setProperty("--wiped", `${this.wiped * 100}%`);
  }

  say() {
    const { play, seek, at, speed } = this.parts;
    const moves = Boolean(this.clock);
    if (this.parts.bar) this.parts.bar.hidden = !moves;
    if (!moves) return;
    play.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
    speed.textContent = { 1: "1×", 0.5: "½×", 0.25: "¼×" }[this.rate];
    seek.max = String(this.last);
    seek.value = String(this.frame);
    at.textContent = `frame ${this.frame + 1} of ${this.last + 1}, ${(this.frame / this.clock.fps).toFixed(2)} s`;
  }
};
