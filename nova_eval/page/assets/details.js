// What a judge saw and said beside a score: boxes over the picture, and everything else in words and small drawings.
"use strict";

nova.details = (() => {
  const isNumbers = (value) => Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "number");
  const isBox = (value) => isNumbers(value) && (value.length === 4 || value.length === 5);
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  // Boxes in pixels of the sample, which is `size`: [{label, box, score}]. Those of a picture whose size is not known,
  // and that cannot be the sample, are not drawn.
  function boxes(detail, size) {
    if (!size) return [];
    const seen = isNumbers(detail.size) && detail.size.length === 2 ? detail.size : size;
    const scaled = located(detail).map((one) => ({ ...one, box: one.box.map((side, n) => (side * size[n % 2]) / seen[n % 2]) }));
    return scaled.some(({ box }) => box[2] > size[0] * 1.02 + 1 || box[3] > size[1] * 1.02 + 1) ? [] : scaled;
  }

  function located(detail) {
    const found = [];
    const lists = isObject(detail.details) ? Object.entries(detail.details) : [];
    for (const [label, list] of lists) {
      for (const box of Array.isArray(list) ? list : []) if (isBox(box)) found.push({ label, box: box.slice(0, 4), score: box[4] });
    }
    if (Array.isArray(detail.boxes) && detail.boxes.every(isBox)) {
      detail.boxes.forEach((box, n) => found.push({ label: String(detail.objects?.[n] ?? n + 1), box: box.slice(0, 4), score: box[4] }));
    }
    return found;
  }

  function overlay(list, size) {
    const [width, height] = size;
    const unit = Math.max(width, height) / 100;
    const svg = nova.el("svg", { svg: true, class: "overlay", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
      "aria-label": list.map((one) => one.label).join(", ") });
    list.forEach(({ label, box, score }, n) => {
      const [left, top, right, bottom] = box;
      svg.append(
        nova.el("rect", { svg: true, class: `box color${n % 6}`, x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top), "stroke-width": unit * 0.7 }),
        nova.el("text", { svg: true, class: `boxed color${n % 6}`, x: left, y: top > unit * 6 ? top - unit * 1.2 : top + unit * 5, "font-size": unit * 4.2,
          text: score === undefined ? label : `${label} ${score.toFixed(2)}` }),
      );
    });
    return svg;
  }

  function series(numbers, level) {
    const width = 260, height = 46;
    const all = level === undefined ? numbers : [...numbers, level];
    const low = Math.min(0, ...all), high = Math.max(...all, low + 1e-9);
    const y = (value) => height - 3 - ((height - 6) * (value - low)) / (high - low);
    const x = (n) => (numbers.length === 1 ? width / 2 : (width * n) / (numbers.length - 1));
    const said = `${numbers.length} values from ${Math.min(...numbers)} to ${Math.max(...numbers)}` + (level === undefined ? "" : `, threshold ${level}`);
    const svg = nova.el("svg", { svg: true, class: "series", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said });
    if (level !== undefined) svg.append(nova.el("line", { svg: true, class: "level", x1: 0, x2: width, y1: y(level), y2: y(level) }));
    svg.append(nova.el("path", { svg: true, class: "course", d: numbers.map((v, n) => `${n ? "L" : "M"}${x(n).toFixed(1)},${y(v).toFixed(1)}`).join("") }));
    numbers.forEach((v, n) => svg.append(nova.el("circle", { svg: true, cx: x(n), cy: y(v), r: 1.8, class: level !== undefined && v > level ? "above" : "" })));
    return nova.el("div", { class: "drawn" }, svg, nova.el("span", { class: "quiet", text: said }));
  }

  function bars(object) {
    return nova.el("ul", { class: "bars" }, ...Object.entries(object).map(([name, value]) => {
      const bar = nova.el("span", { class: "bar" });
      bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
      return nova.el("li", {}, nova.el("span", { class: "of", text: name }), nova.el("span", { class: "track" }, bar), nova.el("span", { class: "num", text: String(value) }));
    }));
  }

  function pairs(list) {
    return bars(Object.fromEntries(list));
  }

  function said(value) {
    if (typeof value === "string") return nova.el("span", { class: "said", text: value });
    if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return nova.el("span", { class: "said", text: value.join(", ") || "none" });
    if (value === null || typeof value !== "object") return nova.el("span", { class: "said", text: String(value) });
    return nova.el("code", { text: JSON.stringify(value) });
  }

  // A question's answer, what counts of it and what it is about, a row each.
  function questions(detail, asked) {
    const texts = questionTexts(asked);
    const rows = Object.keys(detail.answers).map((id) => nova.el("tr", {},
      nova.el("td", { text: texts[id] ?? detail.subjects[id] ?? id }),
      nova.el("td", { text: detail.subjects[id] ?? "" }),
      nova.el("td", { text: detail.answers[id] ? "yes" : "no" }),
      nova.el("td", { text: detail.counted[id] === detail.answers[id] ? "" : "counts as no: what it rests on is not there" })));
    return nova.el("table", { class: "answers" }, nova.el("thead", {}, nova.el("tr", {}, ...["Question", "About", "Answer", ""].map((text) => nova.el("th", { scope: "col", text })))), nova.el("tbody", {}, ...rows));
  }

  function questionTexts(asked) {
    const found = {};
    const list = Array.isArray(asked?.questions) ? asked.questions : [];
    for (const one of list) if (isObject(one) && one.id !== undefined) found[one.id] = String(one.question ?? one.text ?? one.id);
    for (const one of list) if (isObject(one) && one.proposition_id !== undefined) found[one.proposition_id] = String(one.question_natural_language ?? one.tuple);
    return found;
  }

  // All of it, in words and drawings; boxes are only counted where they are drawn over the picture.
  function render(detail, asked) {
    const box = nova.el("div", { class: "detail" });
    const add = (name, content) => box.append(nova.el("div", { class: "fact" }, nova.el("span", { class: "name", text: name.replaceAll("_", " ") }), content));
    const rest = { ...detail };
    if (isObject(rest.answers) && isObject(rest.subjects) && isObject(rest.counted)) {
      box.append(questions(rest, asked));
      for (const name of ["answers", "subjects", "counted"]) delete rest[name];
    }
    for (const [name, value] of Object.entries(rest)) {
      if (value === "") continue;
      else if (name === "threshold" && Object.values(rest).some(isNumbers)) add(name, said(value));
      else if (name === "details" && isObject(value)) add("seen", said(Object.entries(value).filter(([, list]) => list.length).map(([label, list]) => `${list.length} × ${label}`)));
      else if (name === "boxes" && Array.isArray(value)) add("boxes", said(value.length ? value.map((box, n) => `${rest.objects?.[n] ?? n + 1}: ${box.map((side) => Math.round(side)).join(", ")}`).join("\n") : "none"));
      else if (name === "size") continue;
      else if (isNumbers(value) && value.length > 2) add(name, series(value, typeof rest.threshold === "number" ? rest.threshold : undefined));
      else if (isObject(value) && Object.keys(value).length && Object.values(value).every((item) => typeof item === "number" && item >= 0 && item <= 1)) add(name, bars(value));
      else if (Array.isArray(value) && value.length && value.every((item) => Array.isArray(item) && item.length === 2 && typeof item[0] === "string" && typeof item[1] === "number" && item[1] <= 1)) add(name, pairs(value));
      else add(name, said(value));
    }
    return box;
  }

  return { boxes, overlay, render };
})();
