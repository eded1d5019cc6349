// Every query of the project: of panels, variables and annotations, of rules, alerts and their
// descriptions, of the data sources' links, and of the pages in docs.

import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

import { parse } from 'yaml';

// Paths of all files under a folder that end so.
function files(folder, end) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? files(path, end) : path.endsWith(end) ? [path] : [];
    })
    .sort();
}

function* ofDashboard(dashboard) {
  for (const panel of dashboard.panels) {
    for (const { expr, query, datasource } of panel.targets ?? []) {
      const language = { prometheus: 'promql', tempo: 'traceql', loki: 'logql' }[datasource.type];
      if (language === undefined) throw new Error(`panel "${panel.title}": no language is known for ${datasource.type}`);
      yield { where: `panel "${panel.title}"`, kind: 'panel', language, text: expr ?? query };
    }
  }
  for (const variable of dashboard.templating.list.filter(({ type }) => type === 'query')) {
    // label_values(SELECTOR, LABEL)
    const [, text] = /^label_values\((.*), \w+\)$/.exec(variable.query.query);
    yield { where: `variable ${variable.name}`, kind: 'variable', language: 'promql', text };
  }
  for (const annotation of dashboard.annotations.list) {
    yield { where: `annotation ${annotation.name}`, kind: 'annotation', language: 'promql', text: annotation.target.expr };
  }
}

function* ofRules(file) {
  for (const rule of file.groups.flatMap((group) => group.rules)) {
    const where = rule.alert ?? `${rule.record} ${JSON.stringify(rule.labels ?? {})}`;
    yield { where, kind: rule.alert === undefined ? 'rule' : 'alert', language: 'promql', text: rule.expr };
    // `PromQL: ` and the query, one a line.
    for (const [, language, text] of rule.annotations?.description.matchAll(/^(PromQL|TraceQL|LogQL): `(.*)`$/gm) ?? []) {
      yield { where: `${where}, description`, kind: 'description', language: language.toLowerCase(), text };
    }
  }
}

function* ofDatasources(file) {
  for (const { name, jsonData } of file.datasources) {
    for (const { query } of jsonData.tracesToMetrics?.queries ?? []) {
      yield { where: name, kind: 'link', language: 'promql', text: query };
    }
    if (jsonData.tracesToLogsV2) yield { where: name, kind: 'link', language: 'logql', text: jsonData.tracesToLogsV2.query };
  }
}

// Fenced blocks, in which an empty line parts one query from the next; and the last column of tables
// whose header calls it "query", in the language that the heading above names.
function* ofPage(text) {
  for (const [, language, block] of text.matchAll(/^```(promql|traceql|logql)\n(.*?)^```/gms)) {
    for (const part of block.split(/\n\s*\n/).filter((part) => part.trim() !== '')) {
      const comment = language === 'promql' ? undefined : /^\s*#.*\n/gm;
      yield { where: 'block', kind: 'document', language, text: (comment ? part.replace(comment, '') : part).trim() };
    }
  }
  let language;
  let inQueries = false;
  for (const line of text.split('\n')) {
    language = /^#+ .*?(PromQL|TraceQL|LogQL)/.exec(line)?.[1].toLowerCase() ?? (line.startsWith('#') ? undefined : language);
    if (!line.startsWith('|')) inQueries = false;
    else if (/\| query \|$/.test(line)) inQueries = true;
    else if (inQueries && !line.startsWith('|-')) {
      const query = /\| `(.*)` \|$/.exec(line)?.[1];
      if (language === undefined || query === undefined) throw new Error(`no query, or no language for it: ${line}`);
      yield { where: 'table', kind: 'document', language, text: query };
    }
  }
}

// Names that Grafana and the alerting templates put in.
const filled = (text, window) =>
  text
    .replaceAll('$__rate_interval', window)
    .replaceAll('$__range', '1h')
    .replaceAll('$$__tags', 'job="chatbot-rag"')
    .replaceAll('$${__trace.traceId}', '4bf92f3577b34da6a3ce929d0e0e4736')
    .replace(/="\{\{ \$labels\.\w+ \}\}"/g, '=~".*"')
    .replace(/\$(cluster|namespace)\b/g, '.*');

// All of them as {where, kind, language, text}; `window` stands for $__rate_interval.
export function expressions(root, window = '5m') {
  const mixin = join(root, 'llasta-telemetry/mixin');
  const read = (path) => readFileSync(path, 'utf8');
  const from = (paths, found) =>
    paths.flatMap((path) => [...found(path)].map((query) => ({ ...query, where: `${relative(root, path)}: ${query.where}` })));
  return [
    ...from(files(`${mixin}/dashboards`, '.json'), (path) => ofDashboard(JSON.parse(read(path)))),
    ...from([...files(`${mixin}/rules`, '.yaml'), ...files(`${mixin}/alerts`, '.yaml')], (path) => ofRules(parse(read(path)))),
    ...from(files(`${mixin}/provisioning/datasources`, '.yaml'), (path) => ofDatasources(parse(read(path)))),
    ...from([join(root, 'README.md'), ...files(`${root}/docs`, '.md')], (path) => ofPage(read(path))),
  ].map((query) => ({ ...query, text: filled(query.text, window) }));
}
