// What the answer says of a film: a bar a class with its threshold, or a row a box; warnings; the error of a film that was not read.
import { make, part, percent, words } from "./parts.js";
import { heat_of } from "./viewer.js";

const first = 15;  // of a thousand classes the others are behind a button
let all = false, shown = null;

export function prepare() {
  document.addEventListener("heat", event => {
    for (const button of part("findings").querySelectorAll("button[data-class]"))
      button.setAttribute("aria-pressed", String(button.dataset.class === event.detail));
  });
  document.addEventListener("least", event => {
    for (const row of part("findings").querySelectorAll("tr[data-score]")) row.classList.toggle("below", Number(row.dataset.score) < event.detail);
  });
}

export function list(film, model) {
  if (shown !== film) all = false;
  shown = film;
  const { result } = film, place = part("findings");
  if (!result) {
    place.replaceChildren(make("p", film.state === "failed" ? { class: "trouble" } : {}, film.state === "failed" ? `Not read: ${film.error}` : "No answer yet."));
    return;
  }
  place.replaceChildren(...result.warnings.map(text => make("p", { class: "warning" }, make("strong", {}, "Caution: "), text)),
    ...(result.boxes ? boxes(result) : classes(film, model)), make("p", { class: "quiet" }, `${result.model}, ${result.ms.toFixed(1)} ms`));
}

function classes(film, model) {
  const { result } = film, positive = new Set(result.positive ?? []);
  const order = Object.entries(result.probabilities).sort(([a, p], [b, q]) => positive.has(b) - positive.has(a) || q - p);
  const kept = all ? order : order.slice(0, first);
  const summary = result.positive ? positive.size ? `Above the threshold: ${[...positive].map(words).join(", ")}` : "No finding is above its threshold."
    : `Most probable: ${words(result.label)}`;
  const table = make("table", { class: "bars" }, make("caption", { class: "unseen" }, result.several ? "Probability of each finding" : "Probability of each class"),
    make("thead", { class: "unseen" }, make("tr", {}, ...["Class", "Probability", "Heat map"].map(t => make("th", { scope: "col" }, t)))),
    make("tbody", {}, ...kept.map(([name, p]) => bar(name, p, result, positive, model))));
  const more = order.length > kept.length ? [make("button", { type: "button", onclick: () => { all = true; list(film, model); } }, `Show all ${order.length} classes`)] : [];
  const key = result.thresholds ? [make("p", { class: "quiet" }, "The line across a bar is the threshold of its class.")] : [];
  return [make("p", { class: "summary" }, summary), table, ...more, ...key];
}

function bar(name, p, result, positive, model) {
  const threshold = result.thresholds?.[name], above = positive.has(name) || !result.positive && name === result.label;
  const limit = typeof threshold === "number";
  const track = make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "fill" }), ...(limit ? [make("span", { class: "limit" })] : []));
  track.style.setProperty("--p", p);
  if (limit) track.style.setProperty("--limit", threshold);
  const said = limit ? `, ${above ? "above" : "below"} its threshold of ${percent(threshold)}` : "";
  const heat = model?.heatmap ? [make("button", { type: "button", class: "see", "data-class": name, "aria-pressed": "false", "aria-label": `Heat map of ${words(name)}`,
    title: `Heat map of ${words(name)}`, onclick: event => heat_of(event.currentTarget.getAttribute("aria-pressed") === "true" ? "" : name) }, "◉")] : [];
  return make("tr", { class: above ? "above" : "" }, make("th", { scope: "row" }, words(name), track),
    make("td", {}, percent(p), make("span", { class: "unseen" }, said)), make("td", {}, ...heat));
}

function boxes(result) {
  const count = result.boxes.length, threshold = result.score_threshold;
  const said = count === 0 ? "No box was found." : threshold === null || threshold === undefined ? `${count} found; no threshold was chosen for this detector.`
    : `${result.boxes.filter(b => b.score >= threshold).length} with a score of ${threshold.toFixed(2)} or more, of ${count}`;
  const rows = result.boxes.map(({ class: name, score, box: [x1, y1, x2, y2] }) => make("tr", { "data-score": score, class: score < (threshold ?? 0.5) ? "below" : "" },
    make("th", { scope: "row" }, words(name)), make("td", {}, score.toFixed(2)), make("td", {}, `${Math.round(x1)}, ${Math.round(y1)}`),
    make("td", {}, `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)}`)));
  const table = make("table", { class: "found" }, make("caption", { class: "unseen" }, "Boxes, best scores first"),
    make("thead", {}, make("tr", {}, ...["Class", "Score", "Corner", "Size"].map(t => make("th", { scope: "col" }, t)))), make("tbody", {}, ...rows));
  return [make("p", { class: "summary" }, said), ...(count ? [make("div", { class: "scroll" }, table)] : [])];
}
