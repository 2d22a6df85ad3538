// A few players for many clips: a browser fails beyond some hundreds. Whoever is in view gets one, and gives it back.
"use strict";

nova.players = (() => {
  const MOST = 24;
  const free = [];
  const busy = new Map(); // host → video
  let made = 0;

  // A player inside `host` for a file; null where all are taken or the host has one.
  function take(host, file, preload = "none") {
    if (busy.has(host)) return busy.get(host);
    if (!free.length && made >= MOST) return null;
    const video = free.pop() ?? nova.el("video", { playsinline: true, tabindex: "-1", "aria-hidden": "true" });
    if (!video.dataset.made) {
      video.dataset.made = String((made += 1));
      video.muted = true;
      video.disablePictureInPicture = true;
    }
    video.preload = preload;
    video.loop = false;
    video.playbackRate = 1;
    video.src = file;
    host.append(video);
    busy.set(host, video);
    return video;
  }

  function give(host) {
    const video = busy.get(host);
    if (!video) return;
    busy.delete(host);
    video.pause();
    video.remove();
    video.removeAttribute("src");
    video.load();
    free.push(video);
  }

  // All but those within `kept`.
  function giveAll(kept = null) {
    for (const host of [...busy.keys()]) if (!kept?.contains(host)) give(host);
  }

  return { take, give, giveAll, get made() { return made; }, get busy() { return busy.size; }, MOST };
})();

nova.isClip = (file) => /\.(mp4|webm)$/.test(file);

// A clip or picture as its strip shows it: one frame, the next ones as the pointer moves, and a player on request.
nova.shot = (data, place, label) => {
  const size = data.size[place];
  const poster = data.poster[place];
  if (!size || !poster) {
    return nova.el("div", { class: "shot absent" }, nova.el("span", { text: data.why[place] ?? "no sample" }));
  }
  const frames = data.strip[place];
  const image = nova.el("img", { src: `media/${poster}`, alt: label, loading: "lazy", decoding: "async", draggable: "false" });
  const box = nova.el("div", { class: "shot" }, image);
  box.style.aspectRatio = `${size[0]} / ${size[1]}`;
  image.style.width = `${frames * 100}%`;
  if (size[1] < 200) box.classList.add("small");
  const file = data.file[place];
  if (!nova.isClip(file)) return box;
  const show = (frame) => { image.style.transform = `translateX(${(-100 * frame) / frames}%)`; };
  box.scrub = (share) => show(Math.min(frames - 1, Math.max(0, Math.floor(share * frames))));
  box.play = () => {
    const video = nova.players.take(box, `media/${file}`);
    if (!video) return;
    video.loop = true;
    video.play().catch(() => {});
  };
  box.rest = () => { nova.players.give(box); show(0); };
  return box;
};
