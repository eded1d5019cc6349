// Writes the dashboards, and the rules and alerts of the objectives, from the sources beside this file.
//
//   node llasta-telemetry/mixin/src/generate.mjs           writes them
//   node llasta-telemetry/mixin/src/generate.mjs --check   says which of them are stale, and writes nothing
//
// Needs Node 18 or newer and no package.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

import chatbotRag from './chatbot-rag.mjs';
import faissWrap from './faiss-wrap.mjs';
import kubernetes from './kubernetes.mjs';
import overview from './overview.mjs';
import * as slo from './slo.mjs';
import telemetry from './telemetry.mjs';
import vllm from './vllm.mjs';

const mixin = new URL('../', import.meta.url);
const files = new Map([
  ['rules/slo.yaml', slo.rules],
  ['alerts/slo.yaml', slo.alerts],
  ...[overview, chatbotRag, faissWrap, vllm, kubernetes, telemetry].map((dashboard) =>
    [`dashboards/${dashboard.uid.replace('llasta-', '')}.json`, `${JSON.stringify(dashboard, null, 2)}\n`]),
]);

const [flag, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (flag !== undefined && flag !== '--check')) {
  console.error('generate: one argument at most, and that is --check');
  process.exit(2);
}

const there = (path) => {
  try {
    return readFileSync(new URL(path, mixin), 'utf8');
  } catch {
    return undefined;
  }
};
const stale = [...files].filter(([path, text]) => there(path) !== text).map(([path]) => path);
for (const path of stale) {
  if (flag === '--check') {
    console.error(`generate: mixin/${path} is stale: run \`node llasta-telemetry/mixin/src/generate.mjs\``);
  } else {
    writeFileSync(new URL(path, mixin), files.get(path));
    console.log(`wrote mixin/${path}`);
  }
}
const orphans = readdirSync(new URL('dashboards/', mixin)).filter((name) => !files.has(`dashboards/${name}`));
for (const name of orphans) {
  console.error(`generate: nothing writes mixin/dashboards/${name}: remove it`);
}
process.exitCode = orphans.length > 0 || (flag === '--check' && stale.length > 0) ? 1 : 0;
