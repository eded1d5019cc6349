// A /metrics page with every metric of mixin/foreign.json under made-up labels, for a machine that has neither
// Kubernetes nor a GPU nor vLLM. Names and labels are those of the list, so that a query that joins on a label
// that does not exist finds nothing here either. What Prometheus makes by itself is left out.
//
//   node foreign.mjs PORT PATH-OF-foreign.json
//
// POST /fault makes a pod restart, a GPU's memory full and vLLM's cache too.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, path] = process.argv.slice(2);
const { Prometheus: _, ...exporters } = JSON.parse(readFileSync(path, 'utf8'));

// The values of labels, which go together where they do.
const services = ['chatbot-rag', 'faiss-wrap', 'vllm'];
const together = [
  services.map((name) => ({ pod: `${name}-0`, container: name, image: `example/${name}`, deployment: name, horizontalpodautoscaler: name, persistentvolumeclaim: name })),
  [{ resource: 'cpu', unit: 'core' }, { resource: 'memory', unit: 'byte' }],
  ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].flatMap((condition) =>
    ['true', 'false', 'unknown'].map((status) => ({ condition, status }))),
  ['Running', 'Pending', 'Failed', 'Unknown', 'Succeeded'].map((phase) => ({ phase })),
  [{ mode: 'idle' }, { mode: 'user' }],
  [{ reason: 'OOMKilled' }, { reason: 'CrashLoopBackOff' }, { reason: 'capacity' }],
  [{ finished_reason: 'stop' }, { finished_reason: 'length' }],
  [{ namespace: 'llasta' }],
  [{ node: 'node-1' }],
  [{ cpu: '0', interface: 'eth0', fstype: 'ext4', mountpoint: '/', model_name: 'm', engine: '0' }],
  [{ device: 'vda1' }],
  [{ gpu: '0', UUID: 'GPU-0', modelName: 'H100', Hostname: 'node-1' }],
];

function series(labels) {
  let all = [{}];
  for (const choices of together) {
    const known = labels.filter((label) => label in choices[0]);
    if (known.length === 0) continue;
    all = all.flatMap((one) => choices.map((choice) => ({ ...one, ...Object.fromEntries(known.map((label) => [label, choice[label]])) })));
  }
  const missing = labels.filter((label) => !(label in all[0]));
  if (missing.length > 0) throw new Error(`no value is made up for ${missing.join(', ')}`);
  return all;
}

const began = Date.now();
let fault = false;
const bounds = ['0.01', '0.1', '1.0', '10.0', '+Inf'];
const written = (labels) => `{${Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(',')}}`;

function value(metric, labels, seconds) {
  if (metric === 'kube_pod_status_phase') return labels.phase === 'Running' ? 1 : 0;
  if (metric === 'kube_node_status_condition') return (labels.condition === 'Ready') === (labels.status === 'true') ? 1 : 0;
  if (metric === 'kube_pod_container_status_restarts_total') return fault && labels.pod === 'faiss-wrap-0' ? 4 : 1;
  if (metric === 'vllm:kv_cache_usage_perc') return fault ? 0.99 : 0.4;
  if (metric === 'DCGM_FI_DEV_FB_USED') return fault ? 79900 : 60000;
  if (metric === 'DCGM_FI_DEV_FB_FREE') return fault ? 100 : 20000;
  if (/_reason$/.test(metric)) return labels.reason === 'capacity' ? 0 : 1;
  if (/_avail_|Available|_used_/.test(metric)) return 4;
  return metric.endsWith('_total') ? seconds / 2 : 8;
}

function page() {
  const seconds = (Date.now() - began) / 1000;
  const lines = [];
  for (const { labels: common, metrics } of Object.values(exporters)) {
    for (const [metric, { type, labels }] of Object.entries(metrics)) {
      lines.push(`# TYPE ${metric} ${type}`);
      for (const one of series([...common, ...labels])) {
        if (type === 'histogram') {
          bounds.forEach((le, index) => lines.push(`${metric}_bucket${written({ ...one, le })} ${Math.floor(seconds) * (index + 1)}`));
          lines.push(`${metric}_sum${written(one)} ${seconds}`, `${metric}_count${written(one)} ${Math.floor(seconds) * bounds.length}`);
        } else {
          lines.push(`${metric}${written(one)} ${value(metric, one, seconds)}`);
        }
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

page();
createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/fault') fault = true;
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(page());
}).listen(Number(port), '127.0.0.1');
