// What .ci/mixin-live has to know about Prometheus.
//
//   node live.mjs configure ROOT FOLDER NAME=PORT…   writes prometheus.yml, rules and alertmanager.yml into FOLDER
//   node live.mjs quiet URL                          no alert fires or is about to
//   node live.mjs fires URL SECONDS ALERT…           waits until each of them fires
//   node live.mjs data URL ROOT                      each query in PromQL returns data

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

import { parser } from '@prometheus-io/lezer-promql';
import { parse, stringify } from 'yaml';

import { expressions } from './expressions.mjs';

async function ask(url, path, parameters = {}) {
  const answer = await fetch(`${url}${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${body.error}`);
  return body.data;
}

// ---------------------------------------------------------------------------------------------
// The shipped scrape rules, with the ports of this run, once a second; and the shipped rules and alerts, letter
// for letter but for one thing: an alert waits 2 s where it waits minutes. The windows of their queries stay: a
// rate over five minutes has data as soon as there are two samples in it.

function configure(root, folder, ports) {
  const port = Object.fromEntries(ports.map((pair) => pair.split('=')));
  const config = parse(readFileSync(`${root}/llasta-rag/deploy/prometheus/prometheus.yml`, 'utf8'));
  Object.assign(config.global, { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' });
  for (const job of config.scrape_configs) {
    for (const group of job.static_configs) {
      group.targets = group.targets.map((target) => {
        const name = target.split(':')[0];
        if (port[name] === undefined) throw new Error(`prometheus.yml scrapes ${name}, which this check does not start`);
        return `127.0.0.1:${port[name]}`;
      });
    }
  }
  config.scrape_configs.push({
    job_name: 'foreign',
    static_configs: [{ targets: [`127.0.0.1:${port.foreign}`] }],
  });
  config.alerting = { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${port.alertmanager}`] }] }] };
  config.rule_files = ['rules/*.yaml'];

  mkdirSync(`${folder}/rules`, { recursive: true });
  for (const kind of ['rules', 'alerts']) {
    const mixin = `${root}/llasta-telemetry/mixin/${kind}`;
    for (const name of readdirSync(mixin)) {
      const text = readFileSync(`${mixin}/${name}`, 'utf8').replace(/^( *for:) \d+m$/gm, '$1 2s');
      writeFileSync(`${folder}/rules/${kind}-${name}`, text);
    }
  }
  writeFileSync(`${folder}/prometheus.yml`, stringify(config));
  writeFileSync(`${folder}/alertmanager.yml`, stringify({
    route: { receiver: 'webhook', group_by: ['alertname'], group_wait: '1s', group_interval: '5s' },
    receivers: [{ name: 'webhook', webhook_configs: [{ url: `http://127.0.0.1:${port.webhook}/` }] }],
  }));
}

// ---------------------------------------------------------------------------------------------
// Alerts.

const alerts = async (url) => (await ask(url, '/api/v1/alerts')).alerts;

async function quiet(url) {
  const { groups } = await ask(url, '/api/v1/rules');
  const rules = groups.flatMap((group) => group.rules);
  const broken = rules.filter(({ health }) => health !== 'ok');
  if (broken.length > 0) throw new Error(`not evaluated: ${broken.map(({ name, lastError }) => `${name} ${lastError}`).join(', ')}`);
  const loud = await alerts(url);
  if (loud.length > 0) throw new Error(`of healthy services: ${loud.map(({ labels, state, value }) => `${labels.alertname} ${state} ${value}`).join(', ')}`);
  console.log(`${rules.length} rules and alerts are evaluated, none fires`);
}

async function fires(url, seconds, wanted) {
  const deadline = Date.now() + 1000 * Number(seconds);
  for (;;) {
    const firing = (await alerts(url)).filter(({ state }) => state === 'firing');
    const missing = wanted.filter((name) => !firing.some(({ labels }) => labels.alertname === name));
    if (missing.length === 0) {
      const unfilled = firing.filter(({ annotations }) => /<no value>|<error/.test(JSON.stringify(annotations)));
      if (unfilled.length > 0) throw new Error(`a template is not filled: ${JSON.stringify(unfilled[0].annotations)}`);
      console.log(`fires: ${wanted.join(', ')}`);
      return;
    }
    if (Date.now() > deadline) throw new Error(`after ${seconds} s do not fire: ${missing.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

// ---------------------------------------------------------------------------------------------
// Data. A query that filters, such as `x == 0`, is to find nothing where all is well: then each of its parts that
// does not filter must find something.

// What finds nothing here, and why.
const exceptions = [
  [/ offset 1h/, 'compares with an hour ago; promtool tests it'],
  [/^absent\(/, 'is there when a target is not; TargetMissing fires below'],
];

const filters = new Set(['Eql', 'Neq', 'Lss', 'Gtr', 'Lte', 'Gte', 'And', 'Or', 'Unless']);
const expression = (node) => /(Expr|Call|Selector|Literal)$/.test(node.name);

const children = (node) => {
  const found = [];
  for (let child = node.firstChild; child; child = child.nextSibling) found.push(child);
  return found;
};
const filtering = (node) =>
  (node.name === 'BinaryExpr' && children(node).some(({ name }) => filters.has(name))) || children(node).some(filtering);

// The largest parts of a query that do not filter, numbers left out.
function parts(text) {
  const found = [];
  const visit = (node) => {
    if (expression(node) && !filtering(node)) {
      if (!/Literal$/.test(node.name)) found.push(text.slice(node.from, node.to));
    } else {
      children(node).forEach(visit);
    }
  };
  visit(parser.parse(text).topNode);
  return found;
}

// Whether there is a sample that is a number, now or a moment ago.
async function found(url, query) {
  const { result, resultType } = await ask(url, '/api/v1/query', { query });
  const values = resultType === 'scalar' ? [result[1]] : result.map(({ value }) => value[1]);
  return values.some((value) => value !== 'NaN');
}

async function data(url, root) {
  const count = { whole: 0, parts: 0 };
  const excused = new Map(exceptions.map((exception) => [exception, 0]));
  const empty = [];
  const all = expressions(root, '1m').filter(({ language }) => language === 'promql');
  for (const { where, text } of all) {
    if (await found(url, text)) {
      count.whole += 1;
      continue;
    }
    const missing = [];
    for (const part of parts(text)) {
      const exception = exceptions.find(([pattern]) => pattern.test(part));
      if (await found(url, part)) continue;
      if (exception) excused.set(exception, excused.get(exception) + 1);
      else missing.push(part);
    }
    if (missing.length > 0) empty.push(`${where}: no data for ${missing.join(' nor ')}`);
    else count.parts += 1;
  }
  for (const [[pattern, reason], number] of excused) {
    if (number === 0) empty.push(`${pattern}: everything like that returns data, so it is no exception`);
    console.log(`${number} parts without data: ${reason}`);
  }
  if (empty.length > 0) throw new Error(`${empty.length} of ${all.length} queries find nothing:\n${empty.join('\n')}`);
  console.log(`${all.length} queries: ${count.whole} return data, of ${count.parts} that filter all parts do`);
}

const [command, ...words] = process.argv.slice(2);
const commands = {
  configure: ([root, folder, ...ports]) => configure(root, folder, ports),
  quiet: ([url]) => quiet(url),
  fires: ([url, seconds, ...wanted]) => fires(url, seconds, wanted),
  data: ([url, root]) => data(url, root),
};
try {
  await commands[command](words);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
