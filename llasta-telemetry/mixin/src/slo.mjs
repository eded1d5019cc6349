// The service level objectives. From this table come the recording rules of their error ratios and
// the alerts that say how fast the error budget burns (Google's Site Reliability Workbook, chapter 5,
// "Multiwindow, Multi-Burn-Rate Alerts"): rules/slo.yaml and alerts/slo.yaml are written from here.

import { of } from './grafana.mjs';

const runbooks = 'https://github.com/llasta/llasta-telemetry/blob/main/docs/runbooks';

// Requests per second that count, and those among them that are bad. `le` of a whole number is stored
// as "30" by Prometheus 2 and as "30.0" by Prometheus 3.
const rate = (selector, window) => `sum by (cluster, namespace) (rate(${selector}[${window}]))`;
const failed = (counter, endpoint) => ({
  valid: (window) => rate(`${counter}{endpoint="${endpoint}",status!="cancelled"}`, window),
  bad: (window) => rate(`${counter}{endpoint="${endpoint}",status="error"}`, window),
});
const slow = (histogram, endpoint, le) => ({
  valid: (window) => rate(`${histogram}_count{endpoint="${endpoint}"}`, window),
  bad: (window) => `(
  ${rate(`${histogram}_count{endpoint="${endpoint}"}`, window)}
    -
  ${rate(`${histogram}_bucket{endpoint="${endpoint}",le${le}}`, window)}
)`,
});

export const objectives = [
  {
    alert: 'ChatbotAvailabilityBurn',
    service: 'chatbot-rag',
    slo: 'availability',
    target: 0.995,
    promise: '99.5 % of chat requests do not fail',
    ...failed('chatbot_requests_total', '/api/chat'),
    look: 'sum by (status) (rate(chatbot_requests_total{endpoint="/api/chat",namespace="{{ $labels.namespace }}"}[5m]))',
  },
  {
    alert: 'ChatbotLatencyBurn',
    service: 'chatbot-rag',
    slo: 'latency',
    target: 0.95,
    promise: '95 % of chat requests are answered to the last byte within 30 s',
    ...slow('chatbot_request_duration_seconds', '/api/chat', '=~"30([.]0)?"'),
    look: 'histogram_quantile(0.95, sum by (le) (rate(chatbot_llm_time_to_first_token_seconds_bucket{namespace="{{ $labels.namespace }}"}[5m])))',
  },
  {
    alert: 'FaissWrapAvailabilityBurn',
    service: 'faiss-wrap',
    slo: 'availability',
    target: 0.999,
    promise: '99.9 % of searches do not fail',
    ...failed('faiss_wrap_requests_total', 'search'),
    look: 'sum by (status) (rate(faiss_wrap_requests_total{endpoint="search",namespace="{{ $labels.namespace }}"}[5m]))',
  },
  {
    alert: 'FaissWrapLatencyBurn',
    service: 'faiss-wrap',
    slo: 'latency',
    target: 0.99,
    promise: '99 % of searches are answered within 0.25 s',
    ...slow('faiss_wrap_request_latency_seconds', 'search', '="0.25"'),
    look: 'histogram_quantile(0.99, sum by (le) (rate(faiss_wrap_request_latency_seconds_bucket{endpoint="search",namespace="{{ $labels.namespace }}"}[5m])))',
  },
];

// Which share of a budget of 30 days is gone when the alert fires: 14.4 for an hour is 2 %, 6 for six
// hours is 5 %, 3 for a day and 1 for three days are 10 %. The short window ends the alert soon
// after the fault has ended.
const burns = [
  { severity: 'critical', wait: '2m', pairs: [[14.4, '1h', '5m'], [6, '6h', '30m']], pace: 'within days' },
  { severity: 'warning', wait: '15m', pairs: [[3, '1d', '2h'], [1, '3d', '6h']], pace: 'before its 30 days are over' },
];
const windows = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'];

// At night three requests may be all there are, and one that failed is no reason to wake anybody.
const fewest = 5;

// Without the noise of binary fractions: 1 - 0.995 is 0.0050000000000000044.
const budget = ({ target }) => Number((1 - target).toFixed(6));

// The lines of a text, each with so many spaces before it.
const lines = (text, by) => text.split('\n').map((line) => ' '.repeat(by) + line).join('\n');

function recorded(objective) {
  const { service, slo, target, valid, bad } = objective;
  const rule = (record, expression) => `
      - record: ${record}
        labels: {service: ${service}, slo: ${slo}}
        expr: |-
${lines(expression, 10)}`;
  return `
  - name: llasta-slo-${service}-${slo}
    rules:${[
      rule('llasta:slo_target:ratio', `vector(${target})`),
      rule('llasta:slo_bad:increase6h', `${bad('6h')} * 6 * 3600`),
      ...windows.map((window) => rule(`llasta:slo_errors:ratio_rate${window}`, `${bad(window)}\n  /\n${valid(window)}`)),
    ].join('')}
`;
}

function alerted(objective) {
  const { alert, service, slo, promise, look } = objective;
  const labels = `{service="${service}",slo="${slo}"}`;
  const above = (factor, window) => `llasta:slo_errors:ratio_rate${window}${labels} > ${factor} * ${budget(objective)}`;
  const both = ([factor, long, short]) => `  ${above(factor, long)}\n    and\n  ${above(factor, short)}`;
  return burns.map(({ severity, wait, pairs, pace }) => `
      - alert: ${alert}
        expr: |-
          ((
${lines(pairs.map(both).join('\n) or (\n'), 10)}
          )) and llasta:slo_bad:increase6h${labels} >= ${fewest}
        for: ${wait}
        labels: {part_of: llasta, severity: ${severity}}
        annotations:
          summary: The error budget of ${service} (${slo}) will be gone ${pace}.
          description: |-
            Promised is that ${promise}. {{ $value | humanizePercentage }} did not keep to it.
            PromQL: \`${look}\`
          runbook_url: ${runbooks}/${alert}.md
`);
}

// For a panel: how many times as fast as it may the budget burns.
export const burn = (window, matchers) =>
  `${of(`llasta:slo_errors:ratio_rate${window}`, matchers)} / on (service, slo) group_left () (1 - llasta:slo_target:ratio)`;

const head = '# Written by mixin/src/generate.mjs from mixin/src/slo.mjs: change the objectives there.';

export const rules = `${head}
#
# llasta:slo_errors:ratio_rate5m and its longer sisters are the share of requests that broke an
# objective, llasta:slo_bad:increase6h is their number. Requests that the client gave up count neither
# for nor against availability.

groups:${objectives.map(recorded).join('').trimEnd()}
`;

export const alerts = `${head}

groups:
  - name: llasta-slo
    rules:${objectives.flatMap(alerted).join('').trimEnd()}
`;
