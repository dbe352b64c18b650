"use strict";
// Draws what /api/volumes tells. All texts come in as text nodes: nothing that a volume, a tag or a
// log line holds is ever taken for markup.

const REFRESH_MS = 10000;
const SVG = "http://www.w3.org/2000/svg";

function element(name, facts, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(facts || {})) {
    if (key === "text") made.textContent = value;
    else if (key === "tip") made.dataset.tip = value;
    else made.className = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1024; unit += 1; }
  const digits = unit === 0 || count >= 100 ? 0 : count >= 10 ? 1 : 2;
  return count.toFixed(digits) + " " + units[unit];
}

function duration(seconds) {
  if (seconds < 120) return Math.max(0, Math.round(seconds)) + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

const ago = (then, now) => then === 0 ? "never" : duration(now - then) + " ago";
const percent = (share) => share > 0 && share < 0.01 ? "<1%" : Math.min(Math.round(share * 100), share < 1 ? 99 : 100) + "%";
const clock = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
const share = (part, whole) => whole === 0 ? 0 : part / whole;

function bar(parts) {
  const made = element("div", { class: "bar" });
  for (const [size, kind] of parts) {
    const piece = element("i", { class: kind });
    piece.style.width = 100 * Math.min(1, size) + "%";
    if (size > 0) piece.style.minWidth = "2px";
    made.append(piece);
  }
  return made;
}

function fact(value, name, ...more) {
  return element("div", { class: "fact" }, element("b", { text: value }), element("span", { text: name }), ...more);
}

function section(title, ...children) {
  return element("section", {}, element("h3", { text: title }), ...children);
}

function message(kind, title, text) {
  return element("p", { class: "message " + kind }, element("b", { text: title + " " }), element("span", { text }));
}

function fullness(used, warn) {
  const limits = warn.map((one) => one === 0 ? 1.01 : one / 100);
  return used >= limits[1] ? "bad" : used >= limits[0] ? "warn" : "";
}

function drawFacts(volume) {
  const store = share(volume.store.used_bytes, volume.store.bytes);
  const metadata = share(volume.metadata.used_bytes, volume.metadata.bytes);
  const missing = volume.targets.filter((target) => !target.is_present);
  const kept = volume.snapshots.filter((one) => one.is_kept).length;
  return element("div", { class: "facts" },
    fact(bytes(volume.origin.bytes), "volume " + volume.origin.path),
    fact(percent(store), "of the snapstore used", bar([[store, fullness(store, volume.warn_percent)]]),
      element("span", { text: bytes(volume.store.used_bytes) + " of " + bytes(volume.store.bytes) })),
    fact(percent(metadata), "of the metadata's room used", bar([[metadata, fullness(metadata, volume.warn_percent)]]),
      element("span", { text: bytes(volume.metadata.used_bytes) + " of " + bytes(volume.metadata.bytes) })),
    fact(String(kept), kept === 1 ? "snapshot" : "snapshots"),
    fact(String(volume.targets.length - missing.length), "devices attached",
      missing.length === 0 ? null : element("div", { class: "bad", text: "missing: " + missing.map((one) => one.label).join(", ") })));
}

function drawTimeline(volume) {
  const first = volume.snapshots[0].taken_s;
  const span = Math.max(1, volume.now_s - first);
  const line = element("div", { class: "timeline" });
  for (const one of volume.snapshots) {
    const dot = element("i", { class: one.is_kept ? "" : "gone", tip: one.tag + ", " + one.state + ", " + clock(one.taken_s) });
    dot.style.left = 100 * (one.taken_s - first) / span + "%";
    line.append(dot);
  }
  return section("Snapshots in time", line,
    element("div", { class: "ends" }, element("span", { text: clock(first) }), element("span", { text: "now" })));
}

function heatColours() {
  const style = getComputedStyle(document.documentElement);
  const stops = [0, 1, 2, 3, 4, 5].map((index) => {
    const hex = style.getPropertyValue("--heat-" + index).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
  // The square root: a little that changed can be told from nothing.
  return (cell) => {
    if (cell === 0) return stops[0];
    const place = 1 + Math.sqrt(cell / 100) * 4;
    const index = Math.min(4, Math.floor(place));
    return stops[index].map((value, at) => Math.round(value + (stops[index + 1][at] - value) * (place - index)));
  };
}

function paintHeat(canvas, changes) {
  const colour = heatColours();
  const unknown = [128, 128, 128];
  const context = canvas.getContext("2d");
  const image = context.createImageData(changes.columns, changes.rows.length);
  changes.rows.forEach((row, y) => {
    for (let x = 0; x < changes.columns; x += 1)
      image.data.set([...(row.is_known ? colour(row.cells[x]) : unknown), 255], 4 * (y * changes.columns + x));
  });
  context.putImageData(image, 0, 0);
}

function drawHeat(volume) {
  const changes = volume.changes;
  const canvas = element("canvas");
  canvas.width = changes.columns;
  canvas.height = changes.rows.length;
  canvas.style.height = Math.max(40, Math.min(320, changes.rows.length * 14)) + "px";
  paintHeat(canvas, changes);
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.min(changes.columns - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * changes.columns)));
    const row = changes.rows[Math.min(changes.rows.length - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * changes.rows.length)))];
    const place = bytes(volume.origin.bytes * x / changes.columns);
    canvas.dataset.tip = row.from + " to " + (row.to || "now") + ", from " + place + ": " +
      (row.is_known ? row.cells[x] + "% changed; " + bytes(row.changed_bytes) + " in all" : "not known");
  });
  const steps = element("span", { class: "steps" });
  const colour = heatColours();
  for (let cell = 0; cell <= 100; cell += 10) {
    const step = element("i");
    step.style.background = "rgb(" + colour(cell).join(",") + ")";
    steps.append(step);
  }
  return section("What changed: oldest above, the volume from left to right", canvas,
    element("div", { class: "ends" }, element("span", { text: "0" }), element("span", { text: bytes(volume.origin.bytes) })),
    element("div", { class: "legend" }, element("span", { text: "0%" }), steps, element("span", { text: "100% of a column between two snapshots" })));
}

function drawCurve(title, points, top, label, limit) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "curve");
  svg.setAttribute("viewBox", "0 0 1000 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const first = points[0][0];
  const span = Math.max(1, points[points.length - 1][0] - first);
  const high = (value) => (96 - 92 * Math.min(1, value / Math.max(top, 1e-9))).toFixed(1);
  if (limit !== null && limit <= top) {
    const line = document.createElementNS(SVG, "line");
    for (const [name, value] of [["x1", 0], ["x2", 1000], ["y1", high(limit)], ["y2", high(limit)]]) line.setAttribute(name, value);
    svg.append(line);
  }
  const curve = document.createElementNS(SVG, "polyline");
  const end = points.length === 1 ? [[first + span, points[0][1]]] : [];
  curve.setAttribute("points", [...points, ...end].map(([time, value]) => ((time - first) / span * 1000).toFixed(1) + "," + high(value)).join(" "));
  svg.append(curve);
  return section(title, svg,
    element("div", { class: "ends" }, element("span", { text: clock(first) }), element("span", { text: label })));
}

function drawHistory(volume) {
  const made = element("div", { class: "columns" });
  if (volume.history.length === 0) return made;
  const warn = volume.warn_percent && volume.warn_percent[0] ? volume.warn_percent[0] / 100 : null;
  const fill = volume.history.map(([time, used, total]) => [time, share(used, total)]);
  const most = Math.max(...fill.map((point) => point[1]));
  made.append(drawCurve("Snapstore over time", fill, 1, "most " + percent(most), warn));
  for (const copy of volume.copies.filter((one) => one.label !== "")) {
    const lags = volume.history.filter((sample) => copy.label in sample[3]).map((sample) => [sample[0], sample[3][copy.label]]);
    if (lags.length === 0) continue;
    const worst = Math.max(...lags.map((point) => point[1]));
    made.append(drawCurve("Copy '" + copy.label + "' behind, over time", lags, Math.max(worst, 3 * copy.period_s),
      "most " + duration(worst), 2 * copy.period_s));
  }
  return made;
}

function drawCopies(volume) {
  const rows = volume.copies.flatMap((copy) => {
    const late = copy.lag_s === undefined ? 4 : copy.lag_s / Math.max(1, copy.period_s);
    const kind = copy.label === "" ? "good" : late >= 4 ? "bad" : late >= 2 ? "warn" : "good";
    const failure = element("td", { class: "bad", text: "failed " + ago(copy.last_try_s, volume.now_s) + ": " + copy.error });
    failure.colSpan = 4;
    const row = element("tr", {},
      element("td", { class: "tag", text: copy.label || "inbox" }),
      element("td", { class: "space" }, copy.label === "" ? "" : bar([[late / 4, kind]])),
      element("td", { class: kind, text: copy.label === "" ? "" : copy.lag_s === undefined ? "no copy yet" : duration(copy.lag_s) + " behind" }),
      element("td", { text: "last success " + ago(copy.last_success_s, volume.now_s) }));
    return copy.error === "" ? [row] : [row, element("tr", {}, failure)];
  });
  return section("Copies", element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...rows))));
}

function drawSnapshots(volume) {
  const largest = Math.max(1, ...volume.snapshots.map((one) => one.own_bytes + one.shared_bytes));
  const heads = [["Snapshot", ""], ["Taken", ""], ["State", "less"], ["In use", "number less"], ["Space", ""], ["Its own", "number"], ["Shared", "number less"]];
  const rows = [...volume.snapshots].reverse().map((one) => element("tr", { class: one.is_kept ? "" : "gone" },
    element("td", { class: "tag", text: one.tag }),
    element("td", { class: "when", text: ago(one.taken_s, volume.now_s) }),
    element("td", { class: "less", text: one.state }),
    element("td", { class: "number less", text: one.in_use }),
    element("td", { class: "space" }, bar([[one.own_bytes / largest, ""], [one.shared_bytes / largest, "shared"]])),
    element("td", { class: "number", text: bytes(one.own_bytes) }),
    element("td", { class: "number less", text: bytes(one.shared_bytes) })));
  return section("Space: its own is free when it is deleted, shared is read by older ones, too",
    element("div", { class: "scroll" }, element("table", {},
      element("thead", {}, element("tr", {}, ...heads.map(([text, kind]) => element("th", { text, class: kind })))),
      element("tbody", {}, ...rows))));
}

function drawEvents(volume) {
  const kinds = { info: "", warning: "warn", error: "bad" };
  const lines = [...volume.events].reverse().map((event) => element("li", {},
    element("time", { text: clock(event.time_s) }), element("span", { class: kinds[event.level], text: event.text })));
  return section("What happened", element("div", { class: "scroll" }, element("ul", { class: "events" }, ...lines)));
}

function drawVolume(volume) {
  const down = volume.unreachable !== undefined;
  const card = element("section", { class: "volume" },
    element("div", { class: "head" }, element("h2", { text: volume.name }),
      element("span", { class: "pill " + (down || !volume.is_well ? "bad" : "good"), text: down ? "no answer" : volume.state }),
      element("span", { class: "where", text: volume.server })));
  if (down) {
    card.append(message("bad", "No answer:", volume.unreachable));
  } else {
    if (volume.why) card.append(message("bad", "Why:", volume.why));
    for (const warning of volume.warnings) card.append(message("warn", "Warning:", warning));
    card.append(drawFacts(volume));
    if (volume.snapshots.length !== 0) card.append(drawTimeline(volume));
    if (volume.changes.rows.length !== 0) card.append(drawHeat(volume));
  }
  if (volume.copies.length !== 0) card.append(drawCopies(volume));
  card.append(drawHistory(volume));
  if (!down) {
    const columns = element("div", { class: "columns" });
    if (volume.snapshots.length !== 0) columns.append(drawSnapshots(volume));
    columns.append(drawEvents(volume));
    card.append(columns);
  }
  return card;
}

let last = null;

function draw() {
  const scrolls = [...document.querySelectorAll(".scroll")].map((one) => one.scrollTop);
  const cards = last.volumes.map(drawVolume);
  if (cards.length === 0)
    cards.push(element("p", { class: "note", text: "There is no volume yet; one that 'ddsnap volume create' makes comes up here." }));
  document.getElementById("volumes").replaceChildren(...cards);
  [...document.querySelectorAll(".scroll")].forEach((one, index) => { one.scrollTop = scrolls[index] || 0; });
  document.getElementById("tip").hidden = true;
}

async function refresh() {
  const news = document.getElementById("news");
  try {
    const answer = await fetch("/api/volumes");
    if (answer.status === 401) { location.assign("/login"); return; }
    last = await answer.json();
    draw();
    news.textContent = "as of " + new Date().toLocaleTimeString();
    news.className = "";
  } catch (error) {
    news.textContent = "ddsnap web does not answer; what is shown is old";
    news.className = "bad";
  }
  setTimeout(refresh, REFRESH_MS);
}

document.addEventListener("pointermove", (event) => {
  const tip = document.getElementById("tip");
  const text = event.target.dataset ? event.target.dataset.tip : undefined;
  tip.hidden = text === undefined;
  if (tip.hidden) return;
  tip.textContent = text;
  tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)) + "px";
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (last) draw(); });
refresh();
