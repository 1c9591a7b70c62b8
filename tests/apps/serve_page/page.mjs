// The page of gadolin serve in Chromium, as people use it:
//   node page.mjs CHROMIUM SERVER FILM DICOM PICTURES [NAME=CHECKPOINT ...]
// SERVER is the program, which is started, or the address of a server that runs. FILM is a PNG or JPEG, DICOM a grey film; PICTURES a folder
// for screenshots, or "". Prints a line a scenario, ends with 1 if one failed.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { Browser } from "./browser.mjs";

const [chromium, program, film_named, dicom_named, pictures, ...checkpoints] = process.argv.slice(2);
const film = resolve(film_named), dicom = resolve(dicom_named);  // Chromium takes no path with ".."
const folder = mkdtempSync(join(tmpdir(), "gadolin-films-"));
const text = join(folder, "notes.txt"), many = Array.from({ length: 20 }, (_, i) => join(folder, `film-${i + 1}${extname(film)}`));
writeFileSync(text, "This is no picture.\n");
for (const copy of many) copyFileSync(film, copy);

const states = state => `document.querySelectorAll("#films li.${state}").length`;
const text_of = selector => `document.querySelector(${JSON.stringify(selector)}).textContent`;
const seen = selector => `(e => e && !e.closest("[hidden]"))(document.querySelector(${JSON.stringify(selector)}))`;
const set = (id, value) => `(e => { e.value = ${JSON.stringify(value)}; e.dispatchEvent(new Event("input", { bubbles: true })); e.dispatchEvent(new Event("change", { bubbles: true })); })(document.getElementById("${id}"))`;
const pixels = `(c => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let s = 0; for (let i = 0; i < d.length; i += 4) s += d[i]; return s / (d.length / 4); })(document.getElementById("film"))`;

async function begin(page) {
  await page.open(address);
  await page.until(`document.getElementById("model-facts").textContent.includes("class")`);
}

async function answered(page, files, count = files.length) {
  await page.choose("#choose", files);
  await page.until(`${states("done")} + ${states("failed")} === ${count}`);
}

async function saved(page, button, name) {
  const file = join(page.browser.folder, name);
  await page.click(button);
  for (let i = 0; i < 500 && !existsSync(file); ++i) await new Promise(done => setTimeout(done, 10));
  await new Promise(done => setTimeout(done, 50));
  const bytes = readFileSync(file);
  rmSync(file);
  return bytes;
}

const scenarios = {
  async "a film is answered"(page) {
    await begin(page);
    await page.picture_of("empty");
    await answered(page, [film]);
    await page.until(seen("#stage"));
    assert.equal(await page.value(states("done")), 1);
    assert.ok(await page.value(`document.querySelectorAll("#findings tbody tr").length`) >= 1);
    assert.match(await page.value(text_of("#findings .summary")), /\w/);
    assert.match(await page.value(text_of("#film-facts")), /\d+ × \d+ pixels/);
    assert.match(await page.value(text_of(".notice")), /not a medical device/);
    await page.until(`document.querySelector("#films img")?.complete`);
  },

  async "the heat map is laid over and fades"(page) {
    await begin(page);
    await answered(page, [film]);
    await page.click("#findings button.see");
    await page.until(seen("#heat"));
    assert.equal(await page.value(`document.querySelector("#findings button.see").getAttribute("aria-pressed")`), "true");
    await page.value(set("opacity", 30));
    assert.equal(await page.value(`getComputedStyle(document.getElementById("heat")).opacity`), "0.3");
    assert.match(await page.value(`document.getElementById("heat").alt`), /^Heat map: where the net sees /);
    await page.value(set("opacity", 45));
    await page.picture_of("heat");
    await page.click("#findings button.see");
    await page.until(`document.getElementById("heat").hidden`);
  },

  async "the window of a DICOM film moves"(page) {
    await begin(page);
    await answered(page, [dicom]);
    await page.until(seen("#window"));
    await page.until(seen("#stage"));
    assert.match(await page.value(text_of("#film-facts")), /^DICOM/);
    const at_first = await page.value(pixels), center = await page.value(`document.getElementById("center").value`);
    await page.until(`document.querySelector("#films img")?.complete`);
    await page.picture_of("dicom");
    await page.value(set("center", await page.value(`document.getElementById("center").max`)));
    assert.ok(await page.value(pixels) < at_first - 1, "a higher centre is darker");
    await page.click("#window-reset");
    assert.equal(await page.value(pixels), at_first);
    await page.click("#invert");
    const inverted = await page.value(pixels);
    assert.ok(Math.abs(inverted + at_first - 255) < 2, `${inverted} of ${at_first} inverted`);
    await page.click("#invert");
    const box = await page.value(`(r => ({ x: r.x + r.width / 2, y: r.y + r.height / 2 }))(document.getElementById("stage").getBoundingClientRect())`);
    await page.mouse([box, { x: box.x, y: box.y - 20 }, { x: box.x, y: box.y - 60 }]);
    assert.notEqual(await page.value(`document.getElementById("center").value`), center);
  },

  async "a text file is an error, others go on"(page) {
    await begin(page);
    await answered(page, [text, film]);
    assert.equal(await page.value(states("failed")), 1);
    assert.equal(await page.value(states("done")), 1);
    assert.match(await page.value(text_of("#films li.failed .outcome")), /unsupported image; PNG, JPEG and DICOM are read/);
    assert.match(await page.value(text_of("#progress")), /2 of 2 looked at, 1 not read/);
    assert.match(await page.value(text_of("#film-title")), /^(?!notes.txt)./, "what was read is shown");
    await page.click("#films li.failed .film");
    assert.match(await page.value(text_of("#film-error")), /^Not read: unsupported image/);
    assert.ok(await page.value(seen("#film-error")));
    await page.picture_of("error");
    page.refused = page.refused.filter(line => !line.includes("415"));
  },

  async "twenty films, results as CSV"(page) {
    await begin(page);
    await answered(page, many);
    assert.equal(await page.value(states("done")), 20);
    await page.until(`document.querySelectorAll("#films img").length === 20`);
    await page.until(`${text_of("#news")} === "All 20 films were looked at"`);
    await page.picture_of("twenty");
    const rows = String(await saved(page, "#save-csv", "gadolin-results.csv")).replace("\ufeff", "").trim().split("\r\n");
    assert.equal(rows.length, 21);
    assert.match(rows[0], /^file,model,label,positive,/);
    assert.match(rows[20], /^film-20\.\w+,[\w.-]+@\w+,/);
    assert.equal(rows[0].split(",").length, rows[1].split(",").length);
  },

  async "names of files are names, in the page and in a spreadsheet"(page) {
    const markup = join(folder, "<img src=x onerror=alert(1)>.txt"), formula = join(folder, "=1+2,\"3\"" + extname(film));
    writeFileSync(markup, "text");
    copyFileSync(film, formula);
    await begin(page);
    await answered(page, [markup, formula]);
    assert.deepEqual(await page.value(`[...document.querySelectorAll("#films .name")].map(e => e.textContent)`), [markup, formula].map(f => basename(f)));
    const rows = String(await saved(page, "#save-csv", "gadolin-results.csv")).trim().split("\r\n");
    assert.match(rows[1], /unsupported image/);
    assert.ok(rows[2].startsWith(`"'=1+2,""3""${extname(film)}",`), rows[2]);
    page.refused = page.refused.filter(line => !line.includes("415"));
  },

  async "the picture as PNG"(page) {
    await begin(page);
    await answered(page, [film]);
    await page.until(seen("#stage"));
    const bytes = await saved(page, "#save-png", film.split("/").at(-1).replace(/\.[^.]*$/, "") + "-gadolin.png");
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
    assert.ok(bytes.readUInt32BE(20) > await page.value(`document.getElementById("film").height`), "words stand below the film");
    if (pictures) writeFileSync(join(pictures, "saved.png"), bytes);
  },

  async "dropped files are taken"(page) {
    await begin(page);
    const data = { items: [], files: [film, dicom], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await page.send("Input.dispatchDragEvent", { type, x: 600, y: 400, data });
    await page.until(`${states("done")} === 2`);
  },

  async "by keyboard alone"(page) {
    await begin(page);
    const focus = `document.activeElement.id || document.activeElement.className`;
    const tab_to = async (what, most = 30) => {
      for (let i = 0; i < most; ++i) {
        await page.key("Tab");
        if (await page.value(focus) === what) return;
      }
      assert.fail(`Tab does not reach ${what}`);
    };
    await page.key("Tab");
    assert.equal(await page.value(focus), "skip");
    await page.key("Enter");
    await page.until(`${focus} === "choose"`);
    await answered(page, many.slice(0, 3));
    await tab_to("film");
    await page.key("ArrowDown", 2);
    await page.key("Enter");
    await page.until(`document.querySelector("#films li:nth-child(3) .film").getAttribute("aria-current") === "true"`);
    await page.key("Delete");
    await page.until(`document.querySelectorAll("#films li").length === 2`);
    assert.equal(await page.value(focus), "film");
    await tab_to("opacity");
    const before = Number(await page.value(`document.getElementById("opacity").value`));
    await page.key("ArrowRight", 3);
    assert.equal(Number(await page.value(`document.getElementById("opacity").value`)), before + 3);
    await tab_to("see");
    await page.key("Enter");
    await page.until(seen("#heat"));
  },

  async "what a screen reader meets has names"(page) {
    await begin(page);
    await answered(page, [dicom, film]);
    await page.until(seen("#stage"));
    const tree = await page.tree();
    for (const role of ["button", "slider", "combobox", "checkbox", "image", "table", "list", "link", "region"]) {
      const found = tree.filter(n => n.role === role);
      for (const node of found) assert.notEqual(node.name.trim(), "", `a ${role} without a name`);
      if (role !== "image") assert.ok(found.length > 0, `no ${role}`);
    }
    for (const name of ["Films", "Findings"]) assert.ok(tree.some(n => n.role === "region" && n.name === name), name);
    assert.ok(tree.some(n => n.role === "status"));
    assert.ok(tree.some(n => n.role === "note"));
    assert.equal(await page.value(`document.documentElement.lang`), "en");
    const levels = await page.value(`[...document.querySelectorAll("h1,h2,h3")].map(h => Number(h.tagName[1]))`);
    assert.equal(levels.filter(l => l === 1).length, 1);
  },

  async "text has contrast, light and dark"(page) {
    for (const scheme of ["light", "dark"]) {
      await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      await begin(page);
      await answered(page, [text, film]);
      const poor = await page.value(`(() => {
        const rgb = c => c.match(/[\\d.]+/g).map(Number), part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const light = c => { const [r, g, b] = rgb(c); return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
        const below = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
        return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest("svg") && !e.disabled && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
          .map(e => { const a = light(getComputedStyle(e).color), b = light(below(e)); return { e, ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) }; })
          .filter(x => !(x.ratio >= 4.5)).map(x => x.e.outerHTML.slice(0, 80) + " " + x.ratio.toFixed(2)); })()`);
      assert.deepEqual(poor, [], `${scheme}: below 4.5 to 1`);
      page.refused = page.refused.filter(line => !line.includes("415"));
    }
    await page.picture_of("dark");
  },

  async "a narrow screen"(page) {
    await page.send("Emulation.setDeviceMetricsOverride", { width: 360, height: 740, deviceScaleFactor: 1, mobile: true });
    await begin(page);
    await page.picture_of("narrow-empty", true);
    await answered(page, [dicom, film, many[0]]);
    await page.until(seen("#stage"));
    assert.ok(await page.value(`document.documentElement.scrollWidth <= 360`), "wider than the screen");
    assert.ok(await page.value(`[...document.querySelectorAll("main button, main .button")].every(b => !b.checkVisibility() || b.getBoundingClientRect().height >= 24)`), "too small to touch");
    await page.picture_of("narrow", true);
  },

  async "another model answers anew"(page) {
    await begin(page);
    await answered(page, [film]);
    const names = await page.value(`[...document.getElementById("model").options].map(o => o.value)`);
    for (const name of names) {
      await page.value(set("model", name));
      await page.until(`${states("done")} === 1 && ${text_of("#findings > .quiet:last-child")}.startsWith(${JSON.stringify(name)})`);
      await page.until(seen("#stage"));
      await page.picture_of(`model-${name}`);
    }
  },

  async "boxes are drawn from a score on"(page) {
    await begin(page);
    const boxes = [[0.9, 20], [0.4, 60], [0.2, 100]].map(([score, x]) => ({ class: "soft_mass", score, box: [x, 30, x + 25, 70.5] }));
    await page.instead("*/analysis", () => ({ status: 200, body: { request_id: "r", model: "boxes@0", task: "detection", several_labels: false, classes: ["soft_mass"], errors: [],
      results: [{ file: "a", index: 0, format: "PNG", width: 256, height: 256, ms: 1, score_threshold: 0.3, boxes, warnings: ["a test"] }] } }));
    await answered(page, [film]);
    await page.until(seen("#stage"));
    const drawn = `document.querySelectorAll("#boxes rect").length`;
    assert.ok(await page.value(seen("#boxes")));
    assert.equal(await page.value(drawn), 2);
    assert.equal(await page.value(text_of("#boxes text")), "soft mass 0.90");
    assert.equal(await page.value(text_of("#findings .warning")), "Caution: a test");
    await page.value(set("least", 0));
    assert.equal(await page.value(drawn), 3);
    await page.value(set("least", 0.5));
    assert.equal(await page.value(`${drawn} + document.querySelectorAll("#findings tr.below").length`), 3);
    const frame = await page.value(`(r => r.width)(document.querySelector("#boxes rect").getBoundingClientRect()) / document.getElementById("film").getBoundingClientRect().width`);
    assert.ok(Math.abs(frame - 25 / 256) < 0.01, `${frame} of the film's width`);
    const rows = String(await saved(page, "#save-csv", "gadolin-results.csv")).trim().split("\r\n");
    assert.equal(rows.length, 4);
    assert.match(rows[1], /,boxes@0,soft_mass,0.9,20,30,45,70.5,a test,$/);
    await page.picture_of("boxes");
  },

  async "a token is asked for"(page) {
    await page.instead("*/version", ({ headers }) => headers.Authorization === "Bearer s3cret" ? null : { status: 401, body: { error: "a token is needed" } });
    await page.open(address);
    await page.until(seen("#token"));
    assert.equal(await page.value(`document.activeElement.id`), "token");
    await page.send("Input.insertText", { text: "wrong" });
    await page.key("Enter");
    await page.until(`${text_of("#trouble")} === "This token is not accepted."`);
    await page.value(set("token", "s3cret"));
    await page.key("Enter");
    await page.until(`document.getElementById("model-facts").textContent.includes("class") && document.getElementById("access").hidden`);
    page.refused = page.refused.filter(line => !line.includes("401"));
  },

  async "a busy server is asked again, one that is gone is named"(page) {
    await begin(page);
    let asked = 0;
    await page.instead("*/analysis", () => ++asked === 1 ? { status: 503, headers: { "Retry-After": "1" } } : null);
    await answered(page, [film]);
    assert.equal(await page.value(states("done")), 1);
    assert.equal(asked, 2);
    await page.send("Fetch.disable");
    await page.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await answered(page, [film], 2);
    assert.match(await page.value(text_of("#films li.failed .outcome")), /^no answer from the server/);
    page.refused = page.refused.filter(line => !/503|DISCONNECTED/.test(line));
  },

  async "the policy holds"(page) {
    await begin(page);
    const policy = await page.value(`fetch("./", { headers: { Accept: "text/html" } }).then(a => a.headers.get("Content-Security-Policy"))`);
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    const refused = await page.value(`new Promise(done => { document.addEventListener("securitypolicyviolation", e => done(e.effectiveDirective));
      const s = document.createElement("img"); s.src = "http://example.org/x.png"; document.body.append(s); setTimeout(() => done("nothing"), 2000); })`);
    assert.equal(refused, "img-src");
    assert.match(await page.value(`(() => { try { document.body.innerHTML = "<p>"; return "taken"; } catch (e) { return e.name; } })()`), /TypeError/);
    page.faults = page.faults.filter(line => !/Content Security Policy|TrustedHTML/.test(line));
    page.requests = page.requests.filter(line => line !== "http://example.org/x.png");
  },
};

let address = program, server = null;

// Its first line that holds an address tells where.
async function start() {
  const words = checkpoints.flatMap(checkpoint => ["--checkpoint", checkpoint]);
  server = spawn(program, ["serve", "--port", "0", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  await new Promise((done, fail) => {
    for (const stream of [server.stdout, server.stderr]) stream.on("data", data => {
      said += data;
      address = said.match(/http:\/\/[\w.]+:\d+\/?/)?.[0];
      if (address) done();
    });
    server.on("exit", code => fail(new Error(`gadolin serve ended with ${code}: ${said}`)));
  });
  address = address.replace(/\/?$/, "/");
}

if (!program.startsWith("http")) await start();
const browser = new Browser(chromium);
let failed = 0;
for (const [name, scenario] of Object.entries(scenarios)) {
  const page = await browser.page();
  page.picture_of = (file, whole) => pictures ? page.picture(join(pictures, `${file}.png`), whole) : null;
  const start = Date.now();
  try {
    await scenario(page);
    assert.deepEqual(page.faults, [], "console");
    assert.deepEqual(page.refused, [], "answers");
    const elsewhere = page.requests.filter(url => !url.startsWith(address) && !url.startsWith("blob:" + address) && url !== "about:blank");
    assert.deepEqual(elsewhere, [], "asked elsewhere");
    console.log(`ok: ${name} (${Date.now() - start} ms, ${page.requests.length} requests)`);
  } catch (fault) {
    ++failed;
    console.log(`FAILED: ${name}: ${fault.message}`);
    if (pictures) await page.picture(join(pictures, `failed-${failed}.png`));
  }
  await page.close();
}
await browser.close();
server?.removeAllListeners("exit").kill("SIGTERM");
rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
