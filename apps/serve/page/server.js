// What the page asks the server: the routes of docs/serve.md. Paths are relative, so that the page also works behind a proxy's folder.

let token = "";

export function useToken(text) {
  token = text;
}

// An answer that is not a success; `message` is the server's sentence.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const pause = seconds => new Promise(done => setTimeout(done, seconds * 1000));

async function ask(path, options = {}) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  for (let attempt = 0; ; ++attempt) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
    } catch (fault) {
      if (fault.name === "AbortError") throw fault;
      throw new Refused(0, "no answer from the server; is it running, and is this a file that can be read?");
    }
    if (answer.ok) return answer;
    if (answer.status === 503 && attempt < 5) {  // too much is waiting: as the protocol asks, later again
      await pause(Math.min(Number(answer.headers.get("Retry-After")) || 2, 10));
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, said.errors?.[0]?.error ?? said.error ?? `the server answered ${answer.status}`);
  }
}

function post(path, file, fields, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, file.name);
  return ask(path, { method: "POST", body: form, signal });
}

export async function version() {
  return (await ask("version")).json();
}

// The one result of a film, with the model's facts; throws Refused where the film could not be read.
export async function analyse(file, model, signal) {
  const said = await (await post("healthcare/mri/analysis", file, { model }, signal)).json();
  if (!said.results?.length) throw new Refused(422, said.errors?.[0]?.error ?? "the answer holds no result");
  return { ...said.results[0], model: said.model, task: said.task, classes: said.classes, several: said.several_labels, request: said.request_id };
}

// The film with the heat of a class painted over it.
export async function heatmap(file, model, name, signal) {
  return (await post("heatmap", file, { model, class: name }, signal)).blob();
}

// A film that the browser cannot show itself, as it looks by its own window.
export async function picture(file, longest, signal) {
  return (await post("picture", file, { longest }, signal)).blob();
}

// The rescaled values of a grey DICOM film: what the window of the page is laid over.
export async function values(file, longest, signal) {
  const answer = await post("values", file, { longest }, signal);
  const number = name => Number(answer.headers.get(name));
  const bytes = new DataView(await answer.arrayBuffer());
  const columns = number("X-Columns"), rows = number("X-Rows"), values = new Float32Array(columns * rows);
  for (let i = 0; i < values.length; ++i) values[i] = bytes.getFloat32(4 * i, true);
  return {
    columns, rows, values, center: number("X-Window-Center"), width: number("X-Window-Width"),
    inverted: answer.headers.get("X-Inverted") === "true", frames: number("X-Frames") || 1,
  };
}
