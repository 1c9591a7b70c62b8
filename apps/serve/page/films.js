// The films and their answers: a queue that asks the server for one film a request, a few at a time, and the list that shows them.
import { make, part, words, percent } from "./parts.js";
import { analyse, picture } from "./server.js";

const at_once = 4, thumbnail = 112;

export const films = [];
let next = 1, asked = 0, model = null, limits = {}, on_change = () => {}, on_choose = () => {};

export function prepare(change, choose) {
  on_change = change;
  on_choose = choose;
  part("films").addEventListener("keydown", move);
}

export function serve(chosen, bounds) {
  model = chosen;
  limits = bounds;
  for (const film of films) again(film);
  work();
}

export function add(files) {
  const added = [...files].map(file => ({ id: next++, file, name: file.name, state: "waiting" }));
  for (const film of added) {
    films.push(film);
    film.row = row(film);
    part("films").append(film.row);
    const most = limits.max_upload_mb * 2 ** 20;
    if (film.file.size > most) fail(film, `${(film.file.size / 2 ** 20).toFixed(1)} MB; the server takes ${limits.max_upload_mb}`);
  }
  work();
  shrink(added);
  return added;
}

export function remove(film) {
  film.stop?.abort();
  film.row.remove();
  if (film.thumbnail) URL.revokeObjectURL(film.thumbnail);
  films.splice(films.indexOf(film), 1);
  on_change(film);
  work();
}

// Asked anew, as when another model is chosen.
export function again(film) {
  film.stop?.abort();
  if (film.state === "failed" && !film.asked) return;  // too large: no model changes that
  Object.assign(film, { state: "waiting", result: null, error: null });
  draw(film);
}

function fail(film, error) {
  Object.assign(film, { state: "failed", error });
  draw(film);
  on_change(film);
}

function work() {
  while (model && asked < at_once) {
    const film = films.find(f => f.state === "waiting");
    if (!film) return;
    answer(film);
  }
}

async function answer(film) {
  const stop = film.stop = new AbortController();
  Object.assign(film, { state: "asked", asked: true });
  ++asked;
  draw(film);
  try {
    const result = await analyse(film.file, model.name, stop.signal);
    if (film.stop === stop) {
      Object.assign(film, { state: "done", result });
      draw(film);
      on_change(film);
    }
  } catch (fault) {
    if (film.stop === stop && fault.name !== "AbortError") fail(film, fault.message);
  } finally {
    --asked;
    if (film.stop === stop) film.stop = null;
    work();
  }
  if (film.state === "done" && !film.thumbnail && film.shrunk) show_thumbnail(film, await picture(film.file, thumbnail).catch(() => null));
}

// What the browser can show itself needs no server; one after another, so that twenty large films are not in memory together.
async function shrink(added) {
  for (const film of added) {
    try {
      const whole = await createImageBitmap(film.file);
      const scale = thumbnail / Math.max(whole.width, whole.height);
      const canvas = make("canvas", { width: Math.max(1, Math.round(whole.width * scale)), height: Math.max(1, Math.round(whole.height * scale)) });
      const paint = canvas.getContext("2d");
      paint.imageSmoothingQuality = "high";
      paint.drawImage(whole, 0, 0, canvas.width, canvas.height);
      whole.close();
      film.plain = true;
      show_thumbnail(film, await new Promise(done => canvas.toBlob(done)));
    } catch {
      if (film.state === "done") show_thumbnail(film, await picture(film.file, thumbnail).catch(() => null));
    }
    film.shrunk = true;
  }
}

function show_thumbnail(film, blob) {
  if (!blob || film.thumbnail || !films.includes(film)) return;
  film.thumbnail = URL.createObjectURL(blob);
  draw(film);
}

// What the answer says, in a few words.
export function outcome(film) {
  const { state, result } = film;
  if (state === "waiting") return "waiting";
  if (state === "asked") return "being looked at …";
  if (state === "failed") return film.error;
  if (result.boxes) {
    const count = result.boxes.filter(b => b.score >= (result.score_threshold ?? 0.5)).length;
    return count === 1 ? "1 box" : `${count} boxes`;
  }
  if (result.positive) return result.positive.map(words).join(", ") || "no finding above its threshold";
  return `${words(result.label)}, ${percent(result.probabilities[result.label])}`;
}

function row(film) {
  const choose = make("button", { type: "button", class: "film", onclick: () => on_choose(film, true) },
    make("span", { class: "thumbnail", "aria-hidden": "true" }), make("span", { class: "about" },
      make("span", { class: "name" }, film.name), make("span", { class: "outcome" }, outcome(film))));
  const leave = make("button", { type: "button", class: "remove", "aria-label": `Remove ${film.name}`, onclick: () => remove(film) }, "×");
  return make("li", {}, choose, leave);
}

function draw(film) {
  const { row } = film;
  row.className = film.state;
  row.querySelector(".outcome").textContent = outcome(film);
  if (film.thumbnail && !row.querySelector("img")) row.querySelector(".thumbnail").append(make("img", { src: film.thumbnail, alt: "" }));
}

export function mark(chosen) {
  for (const film of films) {
    const button = film.row.querySelector(".film");
    if (film === chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// Arrow keys go through the list, Delete removes.
function move(event) {
  const at = films.findIndex(film => film.row.contains(document.activeElement));
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (at < 0 || !step && event.key !== "Delete") return;
  event.preventDefault();
  if (step) return films[at + step]?.row.querySelector(".film").focus();
  remove(films[at]);
  (films[at] ?? films[at - 1])?.row.querySelector(".film").focus();
}
