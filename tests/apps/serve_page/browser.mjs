// Chromium by its DevTools protocol over a pipe: Node and a browser are all it needs. Every host but 127.0.0.1 is blocked.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Browser {
  constructor(chromium) {
    this.folder = mkdtempSync(join(tmpdir(), "gadolin-page-"));
    const flags = ["--headless=new", "--no-sandbox", "--remote-debugging-pipe", `--user-data-dir=${this.folder}`, "--no-first-run", "--disable-gpu",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-color-profile=srgb",
      "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "about:blank"];
    this.process = spawn(chromium, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.gone = new Promise(done => this.process.on("exit", done));
    this.waiting = new Map();
    this.listeners = new Map();
    this.last = 0;
    let rest = Buffer.alloc(0);
    this.process.stdio[4].on("data", data => {
      rest = Buffer.concat([rest, data]);
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) this.take(JSON.parse(rest.subarray(0, end)));
    });
  }

  take({ id, sessionId, method, params, result, error }) {
    if (!id) return this.listeners.get(sessionId)?.(method, params);
    const { done, fail, asked } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) fail(new Error(`${asked}: ${error.message}`));
    else done(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.last;
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((done, fail) => this.waiting.set(id, { done, fail, asked: method }));
  }

  // A page of its own, without the storage of others. `faults` collects what may not happen, `requests` every address asked for.
  async page({ width = 1360, height = 900, dark = false, touch = false } = {}) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, browserContextId);
    for (const domain of ["Page", "Runtime", "Network", "Log", "DOM", "Accessibility"]) await page.send(`${domain}.enable`);
    await page.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: touch });
    await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    await this.send("Browser.setDownloadBehavior", { behavior: "allow", browserContextId, downloadPath: this.folder, eventsEnabled: true });
    return page;
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await this.gone;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  constructor(browser, session, context) {
    Object.assign(this, { browser, session, context, faults: [], refused: [], requests: [] });
    browser.listeners.set(session, (method, params) => this.hear(method, params));
  }

  hear(method, params) {
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Fetch.requestPaused") this.answer_for(params);
    if (method === "Runtime.exceptionThrown") this.faults.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type))
      this.faults.push(params.args.map(a => a.value ?? a.description).join(" "));
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      // The browser notes every answer that is not a success; the scenario says which it expects.
      if (params.entry.source === "network") this.refused.push(`${params.entry.text} ${params.entry.url}`);
      else this.faults.push(params.entry.text);
    }
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  // Requests to addresses like `pattern` are given to `answer`, a function of the request: { status, headers, body }, or null for the server's own.
  async instead(pattern, answer) {
    this.answers = answer;
    await this.send("Fetch.enable", { patterns: [{ urlPattern: pattern }] });
  }

  answer_for({ requestId, request }) {
    const said = this.answers(request);
    if (!said) return this.send("Fetch.continueRequest", { requestId });
    return this.send("Fetch.fulfillRequest", { requestId, responseCode: said.status, body: Buffer.from(JSON.stringify(said.body ?? {})).toString("base64"),
      responseHeaders: Object.entries(said.headers ?? {}).map(([name, value]) => ({ name, value })) });
  }

  async open(address) {
    await this.send("Page.navigate", { url: address });
    await this.until("document.readyState === 'complete'");
  }

  async close() {
    await this.browser.send("Target.disposeBrowserContext", { browserContextId: this.context });
  }

  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  async until(expression, seconds = 60) {
    const end = Date.now() + 1000 * seconds;
    for (;;) {
      const value = await this.value(expression).catch(() => false);  // a page that is being left has no answer
      if (value) return value;
      if (Date.now() > end) throw new Error(`not within ${seconds} s: ${expression}`);
      await new Promise(done => setTimeout(done, 20));
    }
  }

  async choose(selector, files) {
    const { root } = await this.send("DOM.getDocument");
    const { nodeId } = await this.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.send("DOM.setFileInputFiles", { files, nodeId });
  }

  // As a hand does it: at the middle of what is seen.
  async click(selector) {
    const at = await this.value(`(() => { const e = document.querySelector(${JSON.stringify(selector)}); e.scrollIntoView({ block: "center" });
      const r = e.getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`);
    await this.mouse([at]);
  }

  // Pressed at the first point, moved over the others, let go at the last.
  async mouse(points) {
    const event = (type, { x, y }, buttons) => this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons, clickCount: 1 });
    await event("mousePressed", points[0], 1);
    for (const point of points.slice(1)) await event("mouseMoved", point, 1);
    await event("mouseReleased", points.at(-1), 0);
  }

  async key(key, times = 1) {
    const codes = { Tab: 9, Enter: 13, " ": 32, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40, Delete: 46, Home: 36, End: 35 };
    const text = { Enter: "\r", " ": " " }[key];
    for (let i = 0; i < times; ++i) {
      const event = { key, code: key === " " ? "Space" : key, windowsVirtualKeyCode: codes[key], text };
      await this.send("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", ...event });
      await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event, text: undefined });
    }
  }

  // [{role, name}] of what a screen reader meets.
  async tree() {
    const { nodes } = await this.send("Accessibility.getFullAXTree");
    return nodes.filter(n => !n.ignored).map(n => ({ role: n.role?.value, name: n.name?.value ?? "" }));
  }

  async picture(file, whole = false) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: whole });
    writeFileSync(file, Buffer.from(data, "base64"));
  }
}
