// Markdown as elements. Text becomes text nodes and nothing else: there is no markup to hide in.

/** An element. Strings in it become text, never markup. */
const el = (tag, ...content) => {
  const node = document.createElement(tag);
  node.append(...content);
  return node;
};

/** Shows Markdown in a node. What is there already stays, and with it what is selected. */
function markdown(node, text, cite) {
  const blocks = parse(text.trim().split("\n"), cite);
  let same = 0;
  while (same < blocks.length && node.children[same]?.isEqualNode(blocks[same])) same++;
  while (node.children.length > same) node.lastChild.remove();
  node.append(...blocks.slice(same));
}

const FENCE = /^\s*(`{3,}|~{3,})/, HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/, ITEM = /^\s*([-*+]|\d{1,9}[.)])(?:\s+(.*))?$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/, QUOTE = /^ {0,3}>\s?(.*)$/;
const DELIMITERS = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** The blocks of these lines. `cite` makes the element for a cited number, or gives none. */
function parse(lines, cite, depth = 0) {
  const root = el("div");
  let lists = []; // The open ones, from the outermost in: { node, indent, ordered }.
  let fence, code, open; // `open` takes the next plain line.
  const add = (node, indent) => {
    if (!indent) lists = [];
    (lists.at(-1)?.node.lastChild ?? root).append(node);
    return node;
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    const indent = line.search(/\S|$/);
    const heading = HEADING.exec(line);
    const [, mark, item] = (!RULE.test(line) && ITEM.exec(line)) || [];
    if (fence) {
      if (line.trim().startsWith(fence)) fence = null;
      else code.append(`${line.slice(Math.min(indent, code.indent))}\n`);
    } else if ((fence = FENCE.exec(line)?.[1])) {
      code = Object.assign(el("code"), { indent });
      const block = add(el("pre", code), indent);
      block.tabIndex = 0; // A long line is scrolled with the keyboard too.
      open = null;
    } else if (heading) {
      add(el(`h${Math.min(heading[1].length + 2, 6)}`, ...inline(heading[2], cite)), 0);
      open = null;
    } else if (RULE.test(line)) {
      add(el("hr"), 0);
      open = null;
    } else if (QUOTE.test(line) && depth < 5) {
      const quoted = [];
      while (at < lines.length && QUOTE.test(lines[at])) quoted.push(QUOTE.exec(lines[at++])[1]);
      at--;
      add(el("blockquote", ...parse(quoted, cite, depth + 1)), indent);
      open = null;
    } else if (line.includes("|") && DELIMITERS.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")
      && cells(line).length === cells(lines[at + 1]).length) {
      const rows = [line];
      const sides = cells(lines[at + 1]).map((cell) => (/:$/.test(cell) ? (/^:/.test(cell) ? "center" : "right") : ""));
      for (at += 2; at < lines.length && lines[at].includes("|"); at++) rows.push(lines[at]);
      at--;
      add(table(rows, sides, cite), indent);
      open = null;
    } else if (mark) {
      const ordered = /\d/.test(mark);
      while (lists.length && (lists.at(-1).indent > indent || lists.length > 6)) lists.pop();
      if (lists.at(-1)?.indent === indent && lists.at(-1).ordered !== ordered) lists.pop();
      if (!lists.length || lists.at(-1).indent + 1 < indent) {
        const node = add(el(ordered ? "ol" : "ul"), lists.length);
        if (ordered) node.start = parseInt(mark, 10);
        lists.push({ node, indent, ordered });
      }
      open = el("li", ...inline(item ?? "", cite));
      lists.at(-1).node.append(open);
    } else if (open && line.trim()) {
      open.append("\n", ...inline(line.trim(), cite));
    } else {
      open = line.trim() ? add(el("p", ...inline(line.trim(), cite)), indent) : null;
    }
  }
  root.normalize(); // Equal texts are then equal nodes.
  return [...root.children];
}

/** The cells of a table's row. A bar behind a backslash belongs to its cell. */
const cells = (line) => line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/)
  .map((cell) => cell.trim().replaceAll("\\|", "|"));

function table([head, ...body], sides, cite) {
  const row = (line, tag) => el("tr", ...sides.map((side, at) => {
    const cell = el(tag, ...inline(cells(line)[at] ?? "", cite));
    if (side) cell.className = side;
    return cell;
  }));
  const all = el("table", el("thead", row(head, "th")), el("tbody", ...body.map((line) => row(line, "td"))));
  const scroll = el("div", all);
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  return scroll;
}

// In this order: an escaped mark, code, a link or picture, cited numbers, bold, italic, struck, an address.
const INLINE = new RegExp([
  String.raw`\\(?<mark>[!-/:-@[-${"`"}{-~])`,
  String.raw`(?<tick>${"`"}+)(?<code>[^${"`"}]|[^${"`"}].{0,999}?[^${"`"}])\k<tick>(?!${"`"})`,
  String.raw`!?\[(?<label>[^[\]]{0,500})\]\((?<href>[^\s()]{1,1000}(?:\([^\s()]{0,500}\)[^\s()]{0,500})?)(?:\s+"[^"]{0,500}")?\)`,
  String.raw`\[(?<cited>\d{1,3}(?:\s?[,;]\s?\d{1,3}){0,9})\]`,
  String.raw`\*\*(?<bold>\S|\S.{0,999}?\S)\*\*|(?<![\p{L}\p{N}_])__(?<bold2>[^\s_]|[^\s_].{0,999}?\S)__(?![\p{L}\p{N}_])`,
  String.raw`\*(?<italic>[^\s*]|[^\s*].{0,499}?[^\s*])\*|(?<![\p{L}\p{N}_])_(?<italic2>[^\s_]|[^\s_].{0,499}?[^\s_])_(?![\p{L}\p{N}_])`,
  String.raw`~~(?<struck>\S|\S.{0,499}?\S)~~`,
  String.raw`(?<![\p{L}\p{N}])(?<bare>https?://[^\s<>"'${"`"}()\]]{1,1000}[^\s<>"'${"`"}()\].,:;!?*_])`,
].join("|"), "gu");

/** A line as texts and elements. */
function inline(line, cite) {
  const parts = [];
  let end = 0;
  for (const match of line.matchAll(INLINE)) {
    const { 0: all, index, groups: is } = match;
    const inner = is.bold ?? is.bold2 ?? is.italic ?? is.italic2 ?? is.struck;
    let part;
    if (is.mark) part = [is.mark];
    else if (is.code) part = [el("code", is.code)];
    else if (is.href) part = link(is.href, inline(is.label || is.href, null));
    else if (is.cited) part = cite && is.cited.split(/[,;]/).map((number) => cite(Number(number)));
    else if (is.bare) part = link(is.bare, [is.bare]);
    else part = [el(is.bold ?? is.bold2 ? "strong" : is.struck ? "s" : "em", ...inline(inner, cite))];
    if (!part || part.includes(null)) continue; // It stays as it is written.
    parts.push(line.slice(end, index), ...part);
    end = index + all.length;
  }
  return [...parts, line.slice(end)];
}

/** A link to a page or a mailbox; anything else, such as a script, stays text. */
function link(href, content) {
  let url;
  try { url = new URL(href); } catch { return null; }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return [Object.assign(el("a", ...content), { href: url.href, target: "_blank", rel: "noopener noreferrer" })];
}
