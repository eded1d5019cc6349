
// The service's answers: how they come, and how they are read.

/** A failure, and what can be done about it. */
class Problem extends Error {
  constructor(message, advice) {
    super(message);
    this.advice = advice;
  }
}

const HEALTH = "The service's health page says which part is down.";
const ADVICE = {
  413: "Shorten the question, or start a new chat.",
  422: "Change the question, or start a new chat.",
  502: `The language model did not answer as it should. ${HEALTH}`,
  504: "The language model took too long. Try again, or ask for less at once.",
};

/** Sends a request and gives the answer's events to `take`. Throws unless the answer is complete. */
async function exchange(request, signal, take) {
  const headers = { "content-type": "application/json", accept: "text/event-stream" };
  let done = false;
  try {
    const response = await fetch("api/chat", { method: "POST", headers, body: JSON.stringify(request), signal });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const refusal = await response.json().catch(() => null); // No JSON is not from the service.
      throw new Problem(refusal?.error ?? `The server answers ${response.status} ${response.statusText}, and no events.`,
        ADVICE[response.status] ?? `Try again. ${HEALTH}`);
    }
    for await (const data of events(response.body)) {
      if (data.trim() === "[DONE]") { done = true; continue; }
      const event = JSON.parse(data);
      if (event.error) throw new Problem(event.error, `Try again. ${HEALTH}`);
      take(event);
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw new Problem(`An event is no JSON: ${error.message}`, `Try again. ${HEALTH}`);
    if (error instanceof TypeError) {
      throw new Problem(`The connection to the service failed: ${error.message}`,
        "Check that you are online and that the service runs, then try again.");
    }
    throw error;
  }
  if (!done) throw new Problem("The connection closed before the answer was complete.", "Try again.");
}

/** The data of server-sent events. Lines end in CR LF, LF or CR, and a piece may end anywhere. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", data = [];
  for (let open = true; open;) {
    const { value, done } = await reader.read();
    open = !done;
    rest += done ? "\n\n" : value; // Some servers leave out the last blank line.
    const lines = rest.split(/\r\n|\n|\r(?!$)/); // A CR at the end may be half of a CR LF.
    rest = lines.pop();
    for (const line of lines) {
      const field = /^data(?:: ?(.*))?$/s.exec(line);
      if (field) data.push(field[1] ?? "");
      if (line || !data.length) continue;
      yield data.join("\n");
      data = [];
    }
  }
}

/** A text, or nothing: what a document says of itself may be anything. */
const text = (value) => (typeof value === "string" && value.trim() ? value.trim() : null);

/** The end of a long path, which tells files apart. */
const short = (path) => (path.length > 48 ? path.replace(/^.*?([^/]*\/[^/]*)$/s, "…/$1") : path);

/** A passage, folded under where it is from and how similar it is. */
function passage({ number, id, text: content, metadata, score }, anchor) {
  const file = text(metadata?.source) ?? text(id) ?? "unknown";
  const title = text(metadata?.title) ?? text(metadata?.heading);
  const page = Number.isInteger(metadata?.page) ? `page ${metadata.page}` : null;
  const has = (tag, name, ...content) => Object.assign(el(tag, ...content), { className: name });
  const fill = el("i");
  fill.style.width = `${Math.min(1, Math.max(0, score)) * 100}%`;
  const bar = has("span", "bar", fill);
  bar.ariaHidden = "true";
  const from = has("span", "from", has("span", "title", title ?? short(file)));
  const where = [title && short(file), page].filter(Boolean).join(", ");
  if (where) from.append(has("span", "where", where));
  from.title = file;
  const value = el("span", Number(score).toFixed(3));
  value.title = "Similarity to the question, at most 1";
  const summary = el("summary", has("span", "number", String(number)), from, has("span", "score", bar, value));
  const details = el("details", summary, has("p", "folded", text(content) ?? ""));
  const away = link(file, ["Open the source"]);
  if (away) details.append(Object.assign(away[0], { className: "away" }));
  return Object.assign(el("li", details), { id: anchor });
}

/** Where the trace is shown, if this page was told of a Grafana. */
function traceAddress(id, from, to) {
  const { content: grafana, dataset: { tempo: uid } } = document.querySelector("meta[name=grafana]");
  if (!grafana) return null;
  const minute = 60_000;
  const query = { refId: "A", datasource: { type: "tempo", uid }, queryType: "traceql", query: id };
  const range = { from: String(from - 5 * minute), to: String(to + 5 * minute) };
  const panes = JSON.stringify({ trace: { datasource: uid, queries: [query], range } });
  return `${grafana}/explore?schemaVersion=1&panes=${encodeURIComponent(panes)}`;
}
