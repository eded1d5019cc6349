// What needs packages of npm: the queries in Grafana's own grammars, the dashboards in Grafana's own types, and
// that alerts, their tests and their runbooks belong together.
//
//   node check.mjs ROOT OF THE CHECKOUT
//
// Writes dashboards.ts beside itself, for the compiler, and alerts.test.yaml, for promtool.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { parser as logql } from '@grafana/lezer-logql';
import { parser as traceql } from '@grafana/lezer-traceql';
import { parser as promql } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

import { expressions } from './expressions.mjs';

const root = process.argv[2];
const mixin = join(root, 'llasta-telemetry/mixin');
const parsers = { promql, traceql, logql };
const problems = [];

// Where a text stops being a query, or nothing.
function error(language, text) {
  let at;
  parsers[language].parse(text).iterate({
    enter(node) {
      if (node.type.isError) at ??= node.from;
    },
  });
  return at;
}

// A parser that lets everything pass would be no check.
for (const [language, wrong] of [
  ['promql', 'sum by (le (x)'],
  ['traceql', '{ service.name = "chatbot-rag" }'],
  ['logql', '{service_name=chatbot-rag}'],
]) {
  if (error(language, wrong) === undefined) problems.push(`the grammar of ${language} takes ${wrong}`);
}

const count = {};
const all = expressions(root);
for (const { where, language, text } of all) {
  count[language] = (count[language] ?? 0) + 1;
  const at = error(language, text);
  if (at !== undefined) problems.push(`${where}: no ${language} from "${text.slice(at, at + 20)}" on: ${text}`);
}
for (const language of Object.keys(parsers)) {
  if (!(count[language] >= 20)) problems.push(`only ${count[language] ?? 0} queries in ${language} were found`);
}
console.log(Object.entries(count).map(([language, number]) => `${number} queries in ${language}`).join(', '));

// ---------------------------------------------------------------------------------------------
// Alerts: each is documented, says where to look, fires in one test and is quiet in another.

const { file, firing } = await import(`${mixin}/src/tests.mjs`);
writeFileSync('alerts.test.yaml', file(mixin));
const alerts = readdirSync(`${mixin}/alerts`).flatMap((name) =>
  parse(readFileSync(`${mixin}/alerts/${name}`, 'utf8')).groups.flatMap((group) => group.rules));
for (const { alert, labels, annotations } of alerts) {
  if (labels?.part_of !== 'llasta') problems.push(`${alert}: no label part_of: llasta`);
  if (!['critical', 'warning'].includes(labels?.severity)) problems.push(`${alert}: severity ${labels?.severity}`);
  if (!firing.has(`${alert} ${labels?.severity}`)) problems.push(`${alert} ${labels?.severity}: fires in no test of src/tests.mjs`);
  if (!annotations?.summary) problems.push(`${alert}: no summary`);
  if (!/^(PromQL|TraceQL|LogQL): `/m.test(annotations?.description ?? '')) problems.push(`${alert}: its description holds no query`);
  if (!annotations?.runbook_url?.endsWith(`/docs/runbooks/${alert}.md`)) problems.push(`${alert}: its runbook_url names another page`);
  const page = join(root, `docs/runbooks/${alert}.md`);
  const text = existsSync(page) ? readFileSync(page, 'utf8') : '';
  for (const heading of [`# ${alert}`, '## Meaning', '## Look here', '## Do this']) {
    if (!text.includes(`${heading}\n`)) problems.push(`docs/runbooks/${alert}.md has no "${heading}"`);
  }
  if (!/^```(promql|traceql|logql)$/m.test(text)) problems.push(`docs/runbooks/${alert}.md holds no query`);
}
const names = new Set(alerts.map(({ alert }) => alert));
const index = readFileSync(join(root, 'docs/runbooks/README.md'), 'utf8');
for (const name of readdirSync(join(root, 'docs/runbooks')).map((path) => basename(path, '.md')).filter((name) => name !== 'README')) {
  if (!names.has(name)) problems.push(`docs/runbooks/${name}.md is the page of no alert`);
  if (!index.includes(`(${name}.md)`)) problems.push(`docs/runbooks/README.md does not name ${name}`);
}
console.log(`${alerts.length} alerts, ${names.size} names, ${firing.size} of them fire in tests`);

// ---------------------------------------------------------------------------------------------
// Dashboards: what the types cannot say, and then what they can.

const types = { timeseries: 'TimeSeries', stat: 'Stat', heatmap: 'Heatmap', table: 'Table', logs: 'Logs' };
const withCustom = ['timeseries'];
const lines = [
  "import type { AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';",
  ...Object.entries(types).map(([type, name]) =>
    `import type * as ${type} from '@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen';`),
  '',
  '// JSON has no enums: the values of one are as good as the enum.',
  'type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;',
  '// An annotation has a query and a title that belong to its data source, and not to the schema.',
  'type Annotations = { list: (Plain<AnnotationQuery<DataQuery & { expr: string }>> & { titleFormat?: string })[] };',
  "type Checked = Omit<Plain<Dashboard>, 'annotations'> & { annotations: Annotations };",
  '',
];
const uids = new Set();
for (const name of readdirSync(`${mixin}/dashboards`)) {
  const text = readFileSync(`${mixin}/dashboards/${name}`, 'utf8');
  const dashboard = JSON.parse(text);
  const problem = (what) => problems.push(`dashboards/${name}: ${what}`);
  lines.push(`(${text.trim()}) satisfies Checked;`);
  if (uids.has(dashboard.uid)) problem(`another dashboard has the uid ${dashboard.uid} too`);
  uids.add(dashboard.uid);
  if ('id' in dashboard) problem('an id is given by the Grafana that it is imported into');
  for (const [, uid] of text.matchAll(/"uid": "([^"]*)"/g)) {
    if (!/^\$\{(prometheus|tempo|loki)\}$/.test(uid) && uid !== '-- Mixed --' && uid !== dashboard.uid) problem(`the uid ${uid} belongs to one Grafana only`);
  }
  for (const [, window] of text.matchAll(/(?:rate|increase)\([^()]*\[([^\]]*)\]\)/g)) {
    if (!['$__rate_interval', '$__range', '1h'].includes(window)) problem(`a rate over [${window}]: write $__rate_interval`);
  }
  const taken = new Set();
  for (const { type, title, description, gridPos, options, fieldConfig, targets } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    if (x + w > 24) problem(`"${title}" stands outside of the 24 columns`);
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        if (taken.has(`${column} ${line}`)) problem(`"${title}" covers another panel`);
        taken.add(`${column} ${line}`);
      }
    }
    if (type === 'row') continue;
    // 24 columns are some 1300 pixels of a screen 1366 wide: below a third of that a legend has no room.
    if (w < (type === 'stat' ? 4 : 6)) problem(`"${title}" is too narrow to be read at 1366 pixels`);
    if (!description) problem(`"${title}" has no description`);
    for (const { expr } of targets ?? []) {
      if (/histogram_quantile\(.*_seconds/.test(expr ?? '') && type === 'timeseries' && !targets.every(({ exemplar }) => exemplar)) problem(`"${title}" shows a latency without exemplars`);
    }
    if (type in types) {
      lines.push(`(${JSON.stringify(options)}) satisfies Plain<Partial<${type}.Options>>;`);
      if (withCustom.includes(type)) lines.push(`(${JSON.stringify(fieldConfig.defaults.custom)}) satisfies Plain<${type}.FieldConfig>;`);
    } else {
      problem(`"${title}": no types are known for a panel of type ${type}`);
    }
  }
}
writeFileSync('dashboards.ts', `${lines.join('\n')}\n`);
console.log(`${uids.size} dashboards`);

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
