// Asks the handbook in a real Chromium, with a real embedding model and a real LLM.
//
//   node acceptance.mjs BINARY CHROMIUM PLAYWRIGHT-FOLDER EMBEDDING-MODEL [FOLDER-FOR-SCREENSHOTS]
//
// The LLM's address is in LLASTA_TEST_LLM_URL; .ci/llm-check sets it. What a model of 270 million
// parameters says is not judged: that it streams is, and that the sources are the right ones.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { command, serve, stop, until } from "./services.mjs";

const [binary, chromium, playwright, model, pictures] = process.argv.slice(2);
const { chromium: browserType } = createRequire(join(playwright, "/"))("playwright-core");
const handbook = new URL("../fixtures/handbook", import.meta.url).pathname;

const questions = [
  ["What does error code E23 mean?", /manual\.pdf.*page 3/s, /pump draws no water/],
  ["After how many litres does the machine ask for descaling?", /manual\.pdf.*page 2/s, /250 litres/],
  ["How long is the warranty of the Aurora 3?", /warranty\.html/, /36 months/],
  ["Which water temperature does green tea need?", /brewing\.md/, /78 °C/],
];

const folder = await mkdtemp(join(tmpdir(), "acceptance-"));
const faissWrap = await serve(binary, ["faiss-wrap"], { DATA_DIR: folder, EMBED_MODEL: model, HF_HUB_OFFLINE: "1" });
await command(binary, ["ingest", handbook, "--faiss-wrap-url", faissWrap]);
const chat = await serve(binary, ["chatbot-rag"], {
  FAISS_WRAP_URL: faissWrap, VLLM_BASE_URL: process.env.LLASTA_TEST_LLM_URL, RAG_MIN_SCORE: "0.2", RAG_TOP_K: "3",
});
const browser = await browserType.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
try {
  for (const [number, [question, source, passage]] of questions.entries()) {
    await page.goto(chat);
    await page.locator("#input").fill(question);
    await page.locator("#input").press("Enter");
    const turn = page.locator("article").last();
    const lengths = new Set();
    await until(async () => {
      lengths.add((await turn.locator(".answer").textContent()).length);
      return turn.locator(".facts").isVisible();
    }, "the answer ends");
    assert(lengths.size > 2, `${question} came in ${lengths.size} pieces`);
    const first = turn.locator(".sources details").first();
    await first.locator("summary").click();
    const text = await first.textContent();
    assert.match(text, source, question);
    assert.match(text, passage, question);
    if (pictures) await page.screenshot({ path: join(pictures, `handbook-${number + 1}.png`), fullPage: true });
    console.log(`ok: ${question}`);
  }
} finally {
  await browser.close();
  await stop();
  await rm(folder, { recursive: true, force: true });
}
