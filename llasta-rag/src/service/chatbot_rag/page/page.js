
// The conversation.

const find = (id) => document.getElementById(id);
const [form, input, stop, send, conversation] = ["form", "input", "stop", "send", "conversation"].map(find);

/** Tells those who listen to the page. */
const say = (what) => { find("status").textContent = what.trim(); };
/** What goes along with the next question: the exchanges that came to an answer. */
let told = [];
/** The AbortController of the answer under way. */
let running = null;
/** Numbers the turns, for the anchors of their sources. */
let turns = 0;

const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

const thoughtFor = ({ first, last }) => (last - first < 100 ? "Thought for a moment" : `Thought for ${seconds(last - first)}`);

async function ask(question) {
  const asked = { role: "user", content: question };
  const request = { messages: [...told, asked], stream: true, think_mode: find("think").checked };
  const part = show(question);
  const controller = new AbortController();
  const [start, began] = [performance.now(), Date.now()];
  const since = () => performance.now() - start;
  let answer = "", thought = "", first = null, thinking = null, end = null, frame = 0;
  let remark = null, problem = null; // What went otherwise than meant.
  const draw = () => keepEndInView(() => {
    part.waiting.hidden = Boolean(answer || thought || end);
    part.thinking.hidden = !thought;
    if (part.thought.textContent !== thought) part.thought.textContent = thought;
    if (thinking) part.thinks.textContent = answer ? thoughtFor(thinking) : "Thinking…";
    markdown(part.answer, answer, (number) => citation(number, part, end));
  });
  run(controller);
  input[matchMedia("(hover: hover)").matches ? "focus" : "blur"](); // On a phone the keyboard covers the answer.
  say("Waiting for the answer");
  try {
    await exchange(request, controller.signal, (event) => {
      if ("sources" in event) { end = event; return; }
      first ??= since();
      answer += event.content ?? "";
      if (event.thinking_content) {
        thought += event.thinking_content;
        thinking = { first: thinking?.first ?? since(), last: since() };
      }
      frame ||= requestAnimationFrame(() => { frame = 0; draw(); });
    });
    if (!answer.trim()) remark = "The model gave no answer.";
  } catch (error) {
    if (controller.signal.aborted) remark = "Stopped.";
    else problem = error;
    controller.abort(); // What is left of the stream is not wanted.
  }
  cancelAnimationFrame(frame);
  if (!part.turn.isConnected) return; // There is a new chat meanwhile.
  const total = since();
  thought = end?.thinking_content ?? thought;
  draw();
  part.waiting.hidden = true;
  if (thinking) part.thinks.textContent = thoughtFor(thinking);
  // As much of what follows the answer as can be shown without scrolling its beginning away.
  keepEndInView(() => {
    if (remark) note(part, remark);
    if (problem) fail(part, problem, () => ask(question));
    finish(part, end, { first, total, began });
  }, () => part.turn.scrollIntoView({ block: "nearest" }));
  if (!problem && answer.trim()) told.push(asked, { role: "assistant", content: answer.trim() });
  run(null);
  say([part.answer, part.note, part.problem, part.advice].map((said) => said.innerText).join("\n"));
}

/** Shows what failed and what to do. Trying again takes the place of what failed. */
function fail(part, problem, again) {
  part.problem.textContent = problem.message;
  part.advice.textContent = problem.advice ?? "Try again.";
  part.error.hidden = false;
  part.again.onclick = () => { if (!running) { part.turn.remove(); again(); } };
}

function note(part, what) {
  part.note.textContent = what;
  part.note.hidden = false;
}

/** Adds a question to the page. Returns the parts of its turn by their first class. */
function show(question) {
  const turn = find("turn").content.firstElementChild.cloneNode(true);
  const part = { turn, number: ++turns };
  for (const node of turn.querySelectorAll("[class]")) part[node.classList[0]] = node;
  part.question.textContent = question;
  part.stage.textContent = "Looking for passages";
  find("empty").hidden = true;
  find("new").disabled = false;
  conversation.append(turn);
  scrollToEnd();
  return part;
}

const anchor = (part, number) => `source-${part.number}-${number}`;

/** A cited number: a link to its passage as soon as that is known, and no link where there is none. */
function citation(number, part, end) {
  if (end && !end.sources?.some((source) => source.number === number)) return null;
  const node = Object.assign(el(end ? "a" : "span", String(number)), { className: "cite" });
  if (end) node.href = `#${anchor(part, number)}`;
  node.ariaLabel = `Source ${number}`;
  return node;
}

/** Unfolds a cited passage and goes there. */
function reveal(item) {
  const details = item.querySelector("details");
  details.open = true;
  item.scrollIntoView({ block: "nearest", behavior: "smooth" });
  details.querySelector("summary").focus({ preventScroll: true });
  item.classList.add("found");
  setTimeout(() => item.classList.remove("found"), 1500);
}

/** Adds the times, and what the last event told if it came. */
function finish(part, end, { first, total, began }) {
  const { sources, usage, trace_id: trace } = end ?? {};
  const answered = usage?.completion_tokens;
  const rate = answered > 1 && first !== null && total - first > 50 ? answered / ((total - first) / 1000) : null;
  part.times.textContent = [
    first === null ? null : `first token ${seconds(first)}`, `total ${seconds(total)}`,
    rate && `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`,
  ].filter(Boolean).join(" · ");
  if (usage) part.tokens.textContent = `${usage.prompt_tokens} prompt + ${answered} answer tokens`;
  part.facts.hidden = false;
  part.sources.hidden = !sources;
  part.count.textContent = sources?.length ? `Sources (${sources.length})` : "No passage was similar enough";
  part.list.hidden = !sources?.length;
  part.list.append(...(sources ?? []).map((source) => passage(source, anchor(part, source.number))));
  part.trace.hidden = !trace;
  part.id.textContent = trace ?? "";
  part.copy.onclick = () => copy(part.id, part.copy);
  const address = trace && traceAddress(trace, began, began + Math.ceil(total));
  part.open.hidden = !address;
  if (address) part.open.href = address;
}

/** Copies a text. Without https there is no clipboard to write to, but a selection can be copied. */
async function copy(node, button) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(node.textContent);
  } catch {
    getSelection().selectAllChildren(node);
    copied = document.execCommand("copy");
  }
  say(button.textContent = copied ? "Copied" : "Selected");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

/** Shows whether an answer is under way. */
function run(controller) {
  running = controller;
  if (!controller && document.activeElement === stop) input.focus();
  stop.hidden = !controller;
  send.hidden = Boolean(controller);
  ready();
}

/** Whether there is something to send. */
function ready() { send.disabled = Boolean(running) || !input.value.trim(); }

/** Who reads the end goes on seeing it; who has scrolled up stays there. */
function keepEndInView(change, scroll = scrollToEnd) {
  const atEnd = document.documentElement.scrollHeight - innerHeight - scrollY < 60;
  change();
  if (atEnd) scroll();
}
const scrollToEnd = () => scrollTo(0, document.documentElement.scrollHeight);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = input.value.trim();
  if (running || !question) return;
  input.value = "";
  ask(question);
});
input.addEventListener("input", ready);
input.addEventListener("keydown", (event) => {
  // While an input method composes a word, Enter takes the word; Safari says so by 229.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});
addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") running?.abort();
  const writes = event.target.matches?.("textarea, input:not([type=checkbox])");
  if (event.key !== "/" || writes || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  input.focus();
});
conversation.addEventListener("click", (event) => {
  const cited = event.target.closest?.("a.cite");
  if (!cited) return;
  event.preventDefault();
  reveal(find(cited.hash.slice(1)));
});
stop.addEventListener("click", () => running?.abort());
find("new").addEventListener("click", () => {
  running?.abort();
  told = [];
  for (const turn of conversation.querySelectorAll("article")) turn.remove();
  find("empty").hidden = false;
  find("new").disabled = true;
  run(null);
  say("New chat");
  input.focus();
});
