// The services behind the page, and an LLM that says what a check tells it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const running = [];

/** Starts a service of the binary on a free port. Gives its address as soon as it listens. */
export async function serve(binary, args, environment = {}) {
  const env = { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none", ...environment };
  const child = spawn(binary, ["serve", ...args, "--port", "0", "--stop-with-stdin"], {
    env, stdio: ["pipe", "pipe", "inherit"],
  });
  running.push(child);
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    let url;
    const ready = args[0] === "faiss-wrap" ? "ready" : "listening";
    lines.on("line", (line) => {
      const event = JSON.parse(line);
      if (event.message === "listening") url = event.url;
      if (event.message === ready) resolve(url);
    });
    child.once("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
}

/** Runs a command of the binary to its end. */
export async function command(binary, args) {
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "inherit"] });
  assert.equal(await new Promise((resolve) => child.once("exit", resolve)), 0, args[0]);
}

/** Ends all services politely, each by its standard input. */
export async function stop() {
  await Promise.all(running.map((child) => new Promise((resolve) => {
    if (child.exitCode !== null) { resolve(); return; }
    child.once("exit", resolve);
    child.stdin.end();
  })));
}

/** An OpenAI-compatible server whose next answer is what `say` was last given. */
export async function scripted() {
  const llm = { say: { pieces: [] }, asked: [], open: 0 };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    if (request.url !== "/v1/chat/completions") {
      response.writeHead(request.url === "/health" ? 200 : 404).end();
      return;
    }
    llm.asked.push(JSON.parse(body));
    const { pieces, hold, status, pause = 0 } = llm.say;
    if (status) {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "the graphics card is on holiday" } }));
      return;
    }
    llm.open++;
    response.once("close", () => { llm.open--; });
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (data) => response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
    for (const piece of pieces) {
      send({ choices: [{ delta: typeof piece === "string" ? { content: piece } : piece }] });
      if (pause) await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
    if (hold) return; // Until whoever reads goes away.
    send({ choices: [{ delta: {}, finish_reason: "stop" }] });
    send({ choices: [], usage: { prompt_tokens: 812, completion_tokens: 96, total_tokens: 908 } });
    send("[DONE]");
    response.end();
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  llm.url = `http://127.0.0.1:${server.address().port}`;
  llm.close = () => { server.closeAllConnections(); server.close(); };
  return llm;
}

/** Waits until something holds that tells nobody when it begins to. */
export async function until(holds, what) {
  for (const end = Date.now() + 20_000; ;) {
    if (await holds()) return;
    assert(Date.now() < end, `it does not hold: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}
