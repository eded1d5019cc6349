// Drives the chat page in a real Chromium, in front of the real services.
//
//   node check.mjs BINARY CHROMIUM PLAYWRIGHT-FOLDER [FOLDER-FOR-SCREENSHOTS]

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { command, scripted, serve, stop, until } from "./services.mjs";

const [binary, chromium, playwright, pictures] = process.argv.slice(2);
const { chromium: browserType } = createRequire(join(playwright, "/"))("playwright-core");
const here = (name) => new URL(name, import.meta.url);

const folder = await mkdtemp(join(tmpdir(), "page-check-"));
const faissWrap = await serve(binary, ["faiss-wrap"], { DATA_DIR: folder });
await command(binary, ["ingest", here("documents").pathname, "--faiss-wrap-url", faissWrap]);
const standIn = await serve(binary, ["llm", "--token-delay-ms", "8"]);
const llm = await scripted();
const chat = (base, more = {}) => serve(binary, ["chatbot-rag"], {
  FAISS_WRAP_URL: faissWrap, VLLM_BASE_URL: base, RAG_MIN_SCORE: "0.05", ...more,
});
const real = await chat(standIn, { GRAFANA_URL: "https://grafana.example/sub", GRAFANA_TEMPO_UID: "traces" });
const told = await chat(llm.url);

const browser = await browserType.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, colorScheme: "light" });
await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: real });
const page = await context.newPage();
const complaints = [], strangers = [];
page.on("console", (line) => { if (["error", "warning"].includes(line.type())) complaints.push(line.text()); });
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("request", (request) => {
  if (![real, told].includes(new URL(request.url()).origin) && !request.url().startsWith("data:")) strangers.push(request.url());
});

const input = page.locator("#input");
const turn = () => page.locator("article").last();
const picture = async (name, fullPage = false) => {
  if (!pictures) return;
  await until(async () => (await page.locator(".found").count()) === 0, "what was found is shown as usual");
  const usual = page.viewportSize();
  // What sticks to the window's edges would stand in the middle of a long picture.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  if (fullPage) await page.setViewportSize({ ...usual, height: Math.max(height, usual.height) });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
  await page.setViewportSize(usual);
};
const ask = async (question) => { await input.fill(question); await input.press("Enter"); };
const answered = () => turn().locator(".facts").waitFor();
const ended = () => page.locator("#send").waitFor();
const focused = (selector) => page.evaluate((wanted) => document.activeElement.matches(wanted), selector);

const checks = {
  async "the page is there, and the question has the focus"() {
    await page.goto(real);
    assert.equal(await page.title(), "Ask the documents");
    assert(await focused("#input"));
    assert(await page.locator("#send").isDisabled());
    assert(await page.locator("#new").isDisabled());
    await picture("empty-light");
  },

  async "an answer comes as it is written, with thinking folded away"() {
    await ask("When does the harbour of Saltmarsh open?");
    assert(await page.locator("#stop").isVisible());
    const lengths = new Set();
    await until(async () => {
      lengths.add((await turn().locator(".answer").textContent()).length);
      return turn().locator(".facts").isVisible();
    }, "the answer ends");
    assert(lengths.size > 3, `it came in ${lengths.size} pieces`);
    assert.match(await turn().locator(".answer").textContent(), /opens at six in the morning/);
    assert(await page.locator("#stop").isHidden());
    const thinking = turn().locator(".thinking");
    assert(await thinking.locator(".thought").isHidden());
    assert.match(await thinking.locator("summary").textContent(), /^Thought for (\d|a moment)/);
    await thinking.locator("summary").click();
    assert.match(await thinking.locator(".thought").textContent(), /Words of the question/);
    assert(await thinking.locator(".thought").isVisible());
    await thinking.locator("summary").click();
    assert.match(await turn().locator(".facts").textContent(), /first token .* s · total .* s · \d+ tokens\/s/);
    assert.match(await turn().locator(".tokens").textContent(), /^\d+ prompt \+ \d+ answer tokens$/);
    assert.match(await page.locator("#status").textContent(), /opens at six/);
  },

  async "a source unfolds to its passage with the keyboard"() {
    const source = turn().locator(".list > li").first();
    assert.equal(await source.locator(".number").textContent(), "1");
    assert.match(await source.locator(".score").textContent(), /0\.\d{3}/);
    assert(await source.locator(".folded").isHidden());
    await source.locator("summary").focus();
    await page.keyboard.press("Enter");
    assert.match(await source.locator(".folded").textContent(), /Saltmarsh/);
    assert(await source.locator(".folded").isVisible());
    await page.keyboard.press("Enter");
    assert(await source.locator(".folded").isHidden());
  },

  async "a citation leads to its passage"() {
    const cited = turn().locator("a.cite").first();
    const number = await cited.textContent();
    await cited.click();
    const source = turn().locator(".list > li", { has: page.locator(`.number:text-is("${number}")`) });
    assert(await source.locator(".folded").isVisible());
    assert.match(await source.locator(".folded").textContent(), /opens at six in the morning/);
    assert(await source.locator("summary").evaluate((node) => node === document.activeElement));
    await picture("answer-light", true);
  },

  async "the trace id can be copied and leads to Grafana"() {
    const trace = await turn().locator(".id").textContent();
    assert.match(trace, /^[0-9a-f]{32}$/);
    await turn().locator(".copy").click();
    await until(async () => (await turn().locator(".copy").textContent()) === "Copied", "it is copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), trace);
    const link = new URL(await turn().locator("a.open").getAttribute("href"));
    assert.equal(`${link.origin}${link.pathname}`, "https://grafana.example/sub/explore");
    const pane = JSON.parse(link.searchParams.get("panes")).trace;
    assert.equal(pane.datasource, "traces");
    assert.deepEqual(pane.queries[0].datasource, { type: "tempo", uid: "traces" });
    assert.equal(pane.queries[0].query, trace);
    assert(Number(pane.range.from) < Date.now() && Date.now() < Number(pane.range.to));
  },

  async "hostile documents and answers are text"() {
    await ask("What does the visitor book say on its first page?");
    await answered();
    assert.match(await turn().locator(".answer").textContent(), /<script>|<img/);
    for (const number of await turn().locator(".list summary").all()) await number.click();
    assert.match(await turn().locator(".list").textContent(), /<img src=x onerror=/);
    assert.equal(await turn().locator("img, script, iframe, [onerror]").count(), 0);
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert.equal(await page.locator('a[href^="javascript"]').count(), 0);
  },

  async "markup cannot be made of text, not even by a script of the page"() {
    const thrown = await page.evaluate(() => {
      try { document.body.insertAdjacentHTML("beforeend", "<img src=x>"); } catch (error) { return error.name; }
      return "nothing";
    });
    assert.equal(thrown, "TypeError");
    complaints.length = 0; // The browser says so, too.
  },

  async "Markdown is shown as what it means"() {
    await page.goto(told);
    llm.say = { pieces: [{ reasoning_content: "The tide table " }, { reasoning: "says six." }, ...(await readFile(here("answer.md"), "utf8")).match(/[^]{1,9}/g)] };
    await ask("When can I sail, and how?");
    await answered();
    const answer = turn().locator(".answer");
    const count = (selector) => answer.locator(selector).count();
    assert.equal(await turn().locator(".thought").textContent(), "The tide table says six.");
    for (const [selector, expected] of [
      ["h4", 1], ["strong", 1], ["em", 1], ["table tbody tr", 2], ["table th", 3], ["td.right", 2], ["td code", 1],
      ["ol > li", 2], ["ol > li > ul > li", 2], ["blockquote p", 1], ["pre code", 1], ["hr", 1], ["img, script", 0],
    ]) assert.equal(await count(selector), expected, selector);
    const links = await answer.locator("a:not(.cite)").evaluateAll((all) => all.map(({ href, rel, target }) => [href, rel, target]));
    assert.deepEqual(links, ["https://harbour.example/hours", "https://elsewhere.example/pixel.png"]
      .map((href) => [href, "noopener noreferrer", "_blank"]));
    assert.match(await answer.textContent(), /\[a\]\(javascript:.*<img src=x.*snake_case_name 2 \* 3 \* 4/s);
    assert.deepEqual(await answer.locator("a.cite").allTextContents(), ["1", "1", "2"]);
    assert.match(await answer.textContent(), /ninth source \[9\]/);
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert(await turn().locator("a.open").isHidden(), "there is no Grafana here");
    await picture("markdown-light", true);
  },

  async "the conversation goes along, until there is a new chat"() {
    llm.say = { pieces: ["At noon [1]."] };
    await ask("And on Sundays at the harbour?");
    await answered();
    const said = (at) => llm.asked.at(at).messages.filter(({ role }) => role !== "system").map(({ content }) => content);
    assert.equal(said(-1).length, 3);
    assert.equal(said(-1)[0], "When can I sail, and how?");
    assert.match(said(-1)[1], /^The harbour opens/);
    await page.locator("#new").click();
    assert.equal(await page.locator("article").count(), 0);
    assert(await page.locator(".greeting").isVisible());
    assert(await focused("#input"));
    await page.locator("label.toggle").click();
    await ask("Is the harbour open today?");
    await answered();
    assert.deepEqual(said(-1), ["Is the harbour open today? /no_think"]);
    await page.locator("label.toggle").click();
  },

  async "Escape and the button stop the answer and the model"() {
    llm.say = { pieces: [{ reasoning_content: "Let me see." }, "The tide is"], hold: true };
    for (const stopIt of [() => page.keyboard.press("Escape"), () => page.locator("#stop").click()]) {
      await ask("How is the tide?");
      await until(async () => /tide is/.test(await turn().locator(".answer").textContent()), "it begins");
      assert.equal(llm.open, 1);
      await picture("stop-light");
      await stopIt();
      await ended();
      assert.equal(await turn().locator(".note").textContent(), "Stopped.");
      assert.equal(await turn().locator(".answer").textContent(), "The tide is");
      await until(() => llm.open === 0, "the model stops");
      assert(await focused("#input"));
    }
  },

  async "a failure says what to do, and can be tried again"() {
    llm.say = { status: 500 };
    await ask("What is the tide?");
    await ended();
    const error = turn().locator(".error");
    assert.match(await error.textContent(), /on holiday.*Try again/s);
    const box = await error.locator(".again").boundingBox();
    const composer = await page.locator(".composer").boundingBox();
    assert(box.y + box.height <= composer.y, "the way out is in view");
    await picture("error-light");
    const before = await page.locator("article").count();
    llm.say = { pieces: ["Low."] };
    await error.locator(".again").click();
    await answered();
    assert.equal(await page.locator("article").count(), before);
    assert.equal(await turn().locator(".answer").textContent(), "Low.");
    complaints.length = 0; // The browser says that a request failed.
  },

  async "the keyboard is enough"() {
    await input.fill("");
    await page.locator("h1").click();
    assert(!(await focused("#input")));
    await page.keyboard.press("/");
    assert(await focused("#input"));
    assert.equal(await input.inputValue(), "");
    await page.keyboard.type("a/b");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("c");
    assert.equal(await input.inputValue(), "a/b\nc");
    const stops = [];
    for (let press = 0; press < 2; press++) {
      await page.keyboard.press("Tab");
      stops.push(await page.evaluate(() => document.activeElement.id));
    }
    assert.deepEqual(stops, ["think", "send"]);
    await input.fill("");
  },

  async "the dark is dark"() {
    const brightness = () => page.evaluate(() => {
      const [red, green, blue] = getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g).map(Number);
      return (red + green + blue) / 3;
    });
    assert(await brightness() > 200);
    await page.emulateMedia({ colorScheme: "dark" });
    assert(await brightness() < 60);
    await page.locator("#new").click();
    await picture("empty-dark");
    llm.say = { pieces: (await readFile(here("answer.md"), "utf8")).match(/[^]{1,9}/g) };
    await ask("When can I sail, and how?");
    await answered();
    await turn().locator("a.cite").first().click();
    await picture("markdown-dark", true);
  },

  async "a phone is wide enough"() {
    for (const [width, scheme] of [[360, "light"], [320, "dark"]]) {
      await page.setViewportSize({ width, height: 740 });
      await page.emulateMedia({ colorScheme: scheme });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(wide <= width, `${wide} of ${width}`);
      await picture(`phone-${width}-${scheme}`, true);
    }
    const small = await page.locator("button:visible").evaluateAll((all) => all.filter((button) => button.offsetHeight < 32).map((button) => button.className));
    assert.deepEqual(small, []);
  },

  async "nothing went elsewhere and nothing was complained about"() {
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
  },
};

let failed = false;
try {
  for (const [what, check] of Object.entries(checks)) {
    await check();
    console.log(`ok: ${what}`);
  }
} catch (error) {
  failed = true;
  console.error(error);
  console.error("complaints:", complaints);
  await picture("failure", true).catch(() => {});
}
await browser.close();
llm.close();
await stop();
await rm(folder, { recursive: true, force: true });
process.exitCode = failed ? 1 : 0;
