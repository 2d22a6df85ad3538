// What every view needs: data that scripts bring, elements, words for screen readers, keys with their help, light and dark.
"use strict";

const nova_data = {};
const nova = {};

// An element. Text is never markup; `on` holds listeners, the rest are attributes, and null ones are left out.
nova.el = (tag, given = {}, ...children) => {
  const svg = given.svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "svg" || value === null || value === undefined || value === false) continue;
    if (name === "text") svg.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) svg.addEventListener(event, listener);
    else svg.setAttribute(name, value === true ? "" : value);
  }
  svg.append(...children.filter((child) => child !== null && child !== undefined));
  return svg;
};

nova.by = (id) => document.getElementById(id);

// The data of a script beside the page, loaded once.
nova.load = (() => {
  const asked = new Map();
  return (name, file) => {
    if (!asked.has(name)) {
      asked.set(name, new Promise((resolve, reject) => {
        if (name in nova_data) return resolve(nova_data[name]);
        const script = nova.el("script", { src: file });
        script.addEventListener("load", () => resolve(nova_data[name]));
        script.addEventListener("error", () => reject(new Error(`${file} cannot be loaded`)));
        document.head.append(script);
        return undefined;
      }));
    }
    return asked.get(name);
  };
})();

nova.announce = (text) => {
  const live = nova.by("live");
  if (live.textContent !== text) live.textContent = text;
};

// A number with so many decimals and a typographic minus.
nova.fixed = (value, decimals, signed = false) => {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : signed ? "+" : "") + text;
};

nova.keep = {
  get(name) {
    try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(name, JSON.stringify(value)); return true; } catch { return false; }
  },
};

nova.theme = {
  order: ["auto", "light", "dark"],
  set(theme) {
    document.documentElement.dataset.theme = theme;
    nova.by("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme];
    nova.by("theme").setAttribute("aria-label", `Colors: ${theme}. Change`);
    nova.keep.set("nova_eval theme", theme);
  },
  next() {
    const { order } = nova.theme;
    const theme = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    nova.theme.set(theme);
    nova.announce(`Colors: ${theme}`);
  },
  start() {
    const known = nova.keep.get("nova_eval theme");
    nova.theme.set(nova.theme.order.includes(known) ? known : "auto");
    nova.by("theme").addEventListener("click", nova.theme.next);
  },
};

// Keys by where they work. `when` says whether a place is at work now; the last one that is wins.
nova.keys = (() => {
  const places = [];
  const shown = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫" };
  const typed = (target) => target.matches?.("input:not([type=range]):not([type=checkbox]), select, textarea");

  function add(title, when, keys) {
    places.push({ title, when, keys });
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typed(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (nova.by("help").open && event.key !== "?") return;
    if (event.key === " " && event.target.matches?.("button, a, summary")) return;
    for (const place of [...places].reverse()) {
      if (!place.when()) continue;
      const found = place.keys.find(([names]) => names.split(" or ").map((n) => (n === "Space" ? " " : n)).includes(event.key));
      if (found) {
        event.preventDefault();
        found[2](event);
        return;
      }
      if (place.alone) return;
    }
  }

  function help() {
    const dialog = nova.by("help");
    if (dialog.open) return dialog.close();
    const box = nova.by("help-keys");
    box.replaceChildren(...places.map((place) => nova.el("section", {}, nova.el("h3", { text: place.title }),
      nova.el("dl", {}, ...place.keys.flatMap(([names, what]) => [
        nova.el("dt", {}, ...names.split(" or ").map((name) => nova.el("kbd", { text: shown[name] ?? name }))),
        nova.el("dd", { text: what }),
      ])))));
    return dialog.showModal();
  }

  function start() {
    document.addEventListener("keydown", pressed);
    nova.by("help-button").addEventListener("click", help);
    nova.by("help-close").addEventListener("click", () => nova.by("help").close());
  }
  return { add, help, start };
})();
