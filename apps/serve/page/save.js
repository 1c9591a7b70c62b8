// Results as CSV, and the picture as PNG: both are made in the browser, nothing is asked.
import { download, part, percent, tell, words } from "./parts.js";
import { viewed } from "./viewer.js";

const notice = "For research and teaching only; not for diagnosis. Gadolin is not a medical device.";

// Quoted where needed. A text that a spreadsheet would compute gets an apostrophe in front.
function field(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const lines = rows => rows.map(row => row.map(field).join(",") + "\r\n").join("");

// A row a film; of a detector a row a box, and one without a box for a film in which nothing was found.
export function csv(films) {
  const done = films.filter(film => film.result), about = film => [film.name, film.result?.model];
  if (done.some(film => film.result.boxes)) {
    const end = film => [film.result?.warnings.join(" | "), film.error];
    return lines([["file", "model", "class", "score", "x1", "y1", "x2", "y2", "warnings", "error"], ...films.flatMap(film => film.result?.boxes?.length
      ? film.result.boxes.map(b => [...about(film), b.class, b.score, ...b.box, ...end(film)]) : [[...about(film), "", "", "", "", "", "", ...end(film)]])]);
  }
  const classes = done[0]?.result.classes ?? [];
  return lines([["file", "model", "label", "positive", ...classes, "warnings", "error"], ...films.map(film => [...about(film), film.result?.label,
    film.result?.positive?.join("|"), ...classes.map(name => film.result?.probabilities[name]), film.result?.warnings.join(" | "), film.error])]);
}

export function save_csv(films) {
  download(new Blob(["\ufeff", csv(films)], { type: "text/csv;charset=utf-8" }), "gadolin-results.csv");
  tell("The results were saved as gadolin-results.csv");
}

// The film as it is shown, with window, heat and boxes, and below it what the answer says.
export async function save_png() {
  const { film, heat, opacity, least } = viewed(), shown = part("film"), result = film.result;
  const letter = Math.max(12, Math.round(shown.width / 45)), canvas = document.createElement("canvas"), paint = canvas.getContext("2d");
  const font = `${letter}px system-ui, sans-serif`;
  paint.font = font;
  const texts = [film.name, ...said(result, heat && part("heat-class").value), notice].flatMap(text => wrapped(paint, text, shown.width - 2 * letter));
  canvas.width = shown.width;
  canvas.height = shown.height + Math.round(letter * (1.4 * texts.length + 1));
  paint.fillStyle = "#000";
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.drawImage(shown, 0, 0);
  if (heat) {
    paint.globalAlpha = opacity;
    paint.drawImage(heat, 0, 0, shown.width, shown.height);
    paint.globalAlpha = 1;
  }
  paint.font = font;
  paint.strokeStyle = paint.fillStyle = "#ffd24a";
  paint.lineWidth = letter / 6;
  const x = shown.width / (result?.width ?? 1), y = shown.height / (result?.height ?? 1);
  for (const { box: [x1, y1, x2, y2], class: name, score } of (result?.boxes ?? []).filter(b => b.score >= least)) {
    paint.strokeRect(x1 * x, y1 * y, (x2 - x1) * x, (y2 - y1) * y);
    paint.fillText(`${words(name)} ${score.toFixed(2)}`, x1 * x, y1 * y > 1.5 * letter ? y1 * y - letter / 3 : y2 * y + letter);
  }
  paint.fillStyle = "#fff";
  texts.forEach((text, i) => paint.fillText(text, letter, shown.height + letter * (1.4 * i + 1.5)));
  download(await new Promise(done => canvas.toBlob(done, "image/png")), film.name.replace(/\.[^.]*$/, "") + "-gadolin.png");
  tell("The picture was saved");
}

function said(result, heat) {
  if (!result) return [];
  const parts = result.boxes ? [] : [Object.entries(result.probabilities).sort(([, p], [, q]) => q - p).slice(0, 6)
    .map(([name, p]) => `${words(name)} ${percent(p)}`).join(", ")];
  return [...parts, ...(heat ? [`Heat map: ${words(heat)}`] : []), result.model];
}

function wrapped(paint, text, width) {
  const rows = [""];
  for (const word of text.split(" ")) {
    const longer = rows.at(-1) ? `${rows.at(-1)} ${word}` : word;
    if (paint.measureText(longer).width <= width || !rows.at(-1)) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows;
}
