// The film that is looked at: canvas, window of DICOM values, heat map laid over it, boxes of a detector.
import { make, part, show, words } from "./parts.js";
import { heatmap, picture, values } from "./server.js";

const longest = 2048;
let film = null, load = 0, grey = null, heat = null, heat_asked = 0;

export const viewed = () => ({ film, heat: part("heat").hidden ? null : part("heat"), opacity: part("opacity").value / 100, least: least() });

export function prepare() {
  for (const id of ["center", "width", "invert"]) part(id).addEventListener("input", window_changed);
  part("window-reset").addEventListener("click", window_of_file);
  part("heat-class").addEventListener("change", () => heat_of(part("heat-class").value));
  part("opacity").addEventListener("input", opacity_changed);
  part("least").addEventListener("input", draw_boxes);
  drag(part("stage"));
  opacity_changed();
}

// Shows a film; with an answer, what belongs to it. The picture is kept while only the answer is new.
export async function view(chosen, model) {
  const same = film === chosen;
  film = chosen;
  heat_of("");
  const result = film.result;
  part("film-title").textContent = film.name;
  part("film-facts").textContent = result ? `${result.format}, ${result.width} × ${result.height} pixels` : film.state === "failed" ? film.error : "";
  show(part("heat-part"), result && model?.heatmap && result.probabilities);
  part("heat-class").replaceChildren(make("option", { value: "" }, "off"),
    ...(result?.classes ?? []).map(name => make("option", { value: name }, words(name))));
  show(part("box-part"), result?.boxes);
  if (result?.boxes) part("least").value = result.score_threshold ?? 0.5;
  draw_boxes();
  if (!same || !part("film").dataset.film) await show_picture();
}

async function show_picture() {
  const turn = ++load, stage = part("stage"), canvas = part("film");
  grey = null;
  delete canvas.dataset.film;
  show(part("window"), false);
  show(stage, false);
  const current = () => turn === load;
  try {
    if (film.plain || !film.result) {  // the browser shows PNG and JPEG itself; of other films nothing is known before the answer
      const whole = await createImageBitmap(film.file);
      if (current()) paint(whole);
    } else {
      const found = film.result.format === "DICOM" && await values(film.file, 1024).catch(() => null);
      const whole = found ? null : await createImageBitmap(await picture(film.file, longest));
      if (current() && found) take_values(found);
      else if (current()) paint(whole);
    }
    if (current()) {
      canvas.dataset.film = film.id;
      show(stage, true);
    }
  } catch (fault) {
    if (current() && film.result) part("film-facts").textContent = `The film cannot be shown: ${fault.message}`;
  }
}

function size_of_stage(columns, rows) {
  Object.assign(part("film"), { width: columns, height: rows });
  part("stage").style.setProperty("--ratio", columns / rows);
}

function paint(whole) {
  const scale = Math.min(1, longest / Math.max(whole.width, whole.height));
  size_of_stage(Math.max(1, Math.round(whole.width * scale)), Math.max(1, Math.round(whole.height * scale)));
  const canvas = part("film"), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
}

// Sliders reach over the values that are there, and the width from a hundredth of that range.
function take_values(found) {
  let low = Infinity, high = -Infinity;
  for (const v of found.values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  grey = { ...found, low, high: high > low ? high : low + 1 };
  grey.step = Math.max((grey.high - grey.low) / 1000, 1e-6);
  if (grey.high - grey.low > 200) grey.step = Math.max(1, Math.round(grey.step));
  const range = grey.high - grey.low;
  Object.assign(part("center"), { min: Math.floor(Math.min(low, found.center)), max: Math.ceil(Math.max(high, found.center)), step: grey.step });
  Object.assign(part("width"), { min: grey.step, max: Math.ceil(Math.max(2 * range, found.width)), step: grey.step });
  size_of_stage(found.columns, found.rows);
  show(part("window"), true);
  window_of_file();
}

function window_of_file() {
  part("center").value = grey.center;
  part("width").value = grey.width;
  part("invert").checked = grey.inverted;
  window_changed();
}

// LINEAR_EXACT of PS3.3 C.11.2.1.3.2; padding is black.
function window_changed() {
  if (!grey) return;
  const center = Number(part("center").value), width = Number(part("width").value), invert = part("invert").checked;
  const canvas = part("film"), context = canvas.getContext("2d"), image = context.createImageData(grey.columns, grey.rows);
  const bytes = new Uint32Array(image.data.buffer), scale = 255 / width, low = center - width / 2;
  for (let i = 0; i < bytes.length; ++i) {
    const v = grey.values[i];
    let tone = v !== v ? 0 : Math.max(0, Math.min(255, (v - low) * scale)) + 0.5 | 0;
    if (invert && v === v) tone = 255 - tone;
    bytes[i] = 0xff000000 | tone * 0x010101;
  }
  context.putImageData(image, 0, 0);
  const short = v => String(Number(v.toPrecision(6)));
  part("center-said").textContent = short(center);
  part("width-said").textContent = short(width);
}

// A drag over the whole film moves by the range of its values.
function drag(stage) {
  let from = null;
  stage.addEventListener("pointerdown", event => {
    if (!grey || event.button !== 0) return;
    from = { x: event.clientX, y: event.clientY, center: Number(part("center").value), width: Number(part("width").value) };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", event => {
    if (!from) return;
    const a_pixel = (grey.high - grey.low) / stage.clientWidth;
    part("center").value = from.center + (event.clientY - from.y) * a_pixel;
    part("width").value = from.width + (event.clientX - from.x) * a_pixel;
    window_changed();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { from = null; });
}

// The heat map of a class; "" for none. Returns what went wrong, or "".
export async function heat_of(name) {
  const turn = ++heat_asked, image = part("heat");
  part("heat-class").value = name;
  document.dispatchEvent(new CustomEvent("heat", { detail: name }));
  show(image, false);
  if (heat) URL.revokeObjectURL(heat);
  heat = null;
  if (!name) return;
  try {
    const blob = await heatmap(film.file, film.result.model.split("@")[0], name);
    if (turn !== heat_asked) return;
    image.src = heat = URL.createObjectURL(blob);
    await image.decode();
    image.alt = `Heat map: where the net sees ${words(name)}`;
    show(image, turn === heat_asked);
  } catch (fault) {
    if (turn === heat_asked) part("film-facts").textContent = `No heat map: ${fault.message}`;
  }
}

function opacity_changed() {
  part("heat").style.opacity = part("opacity").value / 100;
  part("opacity-said").textContent = part("opacity").value + " %";
}

const least = () => Number(part("least").value);

function draw_boxes() {
  const found = film?.result?.boxes, svg = part("boxes");
  show(svg, found);
  svg.replaceChildren();
  part("least-said").textContent = least().toFixed(2);
  if (!found) return;
  const { width, height } = film.result, letter = Math.max(width, height) / 40;
  const of = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const { box: [x1, y1, x2, y2], class: name, score } of found.filter(b => b.score >= least())) {
    svg.append(of("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1 }),
      of("text", { x: x1, y: y1 > 1.5 * letter ? y1 - letter / 3 : y2 + letter, "font-size": letter }, `${words(name)} ${score.toFixed(2)}`));
  }
  document.dispatchEvent(new CustomEvent("least", { detail: least() }));
}
