// The page of gadolin serve: asks what is served, takes films, and leads from the list to the film and its findings.
import { make, part, show, tell } from "./parts.js";
import { useToken, version } from "./server.js";
import * as list from "./films.js";
import * as viewer from "./viewer.js";
import * as findings from "./findings.js";
import { save_csv, save_png } from "./save.js";

let served = null, model = null, chosen = null;

function trouble(text) {
  part("trouble").textContent = text;
  show(part("trouble"), text);
}

// Asked until it is ready: a model may still be loading.
async function begin() {
  try {
    served = await version();
  } catch (fault) {
    show(part("access"), fault.status === 401);
    trouble(fault.status === 401 && part("token").value ? "This token is not accepted." : fault.status === 401 ? "" : `Nothing can be asked: ${fault.message}`);
    if (fault.status === 401) part("token").focus();
    else setTimeout(begin, 3000);
    return;
  }
  trouble("");
  show(part("access"), false);
  part("version").textContent = `Gadolin ${served.version}`;
  const { max_upload_mb } = served.limits;
  part("limits").textContent = `${served.dicom ? "DICOM, PNG or JPEG" : "PNG or JPEG"}, up to ${max_upload_mb} MB each. They are sent to this server only.`;
  part("model").replaceChildren(...served.models.map(m => make("option", { value: m.name, disabled: !m.ready }, m.ready ? m.name : `${m.name} (loading)`)));
  part("model").disabled = served.models.length < 2;
  if (served.models.every(m => !m.ready)) {
    part("model-facts").textContent = "The model is being loaded.";
    setTimeout(begin, 1000);
    return;
  }
  choose_model(served.models.find(m => m.ready).name);
  if (served.models.some(m => !m.ready)) setTimeout(refresh, 2000);
}

async function refresh() {
  served = await version().catch(() => served);
  for (const option of part("model").options) {
    const found = served.models.find(m => m.name === option.value);
    option.disabled = !found?.ready;
    if (found?.ready) option.textContent = found.name;
  }
  if (served.models.some(m => !m.ready)) setTimeout(refresh, 2000);
}

function choose_model(name) {
  model = served.models.find(m => m.name === name);
  part("model").value = name;
  const what = model.task === "detection" ? "finds boxes" : model.several_labels ? "several findings a film" : "one class a film";
  part("model-facts").textContent = `${model.net}, ${model.classes.length} ${model.classes.length === 1 ? "class" : "classes"}, ${what}`;
  list.serve(model, served.limits);
  if (chosen) look(chosen);
}

function take(files) {
  if (!files.length) return;
  const added = list.add(files);
  tell(added.length === 1 ? `${added[0].name} is being looked at` : `${added.length} films are being looked at`);
  if (!chosen) look(added[0]);
  arrange();
}

function look(film, move_focus = false) {
  chosen = film;
  list.mark(film);
  viewer.view(film, model);
  findings.list(film, model);
  arrange();
  if (move_focus && matchMedia("(max-width: 760px)").matches) part("view-part").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function changed(film) {
  const { films } = list, ended = films.filter(f => f.state === "done" || f.state === "failed");
  if (!films.includes(film) && film === chosen) chosen = null;
  if (!chosen && films.length) look(films[0]);
  else if (film === chosen) look(film);
  arrange();
  if (!films.includes(film)) tell(`${film.name} was removed`);
  else if (films.length === 1 || film.state === "failed") tell(`${film.name}: ${list.outcome(film)}`);
  else if (ended.length === films.length) tell(`All ${films.length} films were looked at`);
}

function arrange() {
  const { films } = list, ended = films.filter(f => f.state === "done" || f.state === "failed").length;
  const failed = films.filter(f => f.state === "failed").length;
  part("main").classList.toggle("empty", films.length === 0);
  for (const id of ["view-part", "findings-part", "all-actions", "progress"]) show(part(id), films.length);
  part("progress").textContent = `${ended} of ${films.length} looked at${failed ? `, ${failed} not read` : ""}`;
  part("save-csv").disabled = ended === 0;
  part("save-png").disabled = !chosen?.result;
}

function take_drops() {
  let depth = 0;
  const mark = on => part("drop").classList.toggle("over", on);
  addEventListener("dragenter", event => { event.preventDefault(); mark(++depth > 0); });
  addEventListener("dragleave", () => mark(--depth > 0));
  addEventListener("dragover", event => event.preventDefault());
  addEventListener("drop", event => {
    event.preventDefault();
    mark((depth = 0) > 0);
    take(event.dataTransfer.files);
  });
}

list.prepare(changed, look);
viewer.prepare();
findings.prepare();
take_drops();
part("choose").addEventListener("change", event => { take(event.target.files); event.target.value = ""; });
part("model").addEventListener("change", event => choose_model(event.target.value));
part("save-csv").addEventListener("click", () => save_csv(list.films));
part("save-png").addEventListener("click", save_png);
part("clear").addEventListener("click", () => { for (const film of [...list.films]) list.remove(film); part("choose").focus(); });
part("access").addEventListener("submit", event => { event.preventDefault(); useToken(part("token").value); begin(); });
begin();
