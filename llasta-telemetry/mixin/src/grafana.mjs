// What the dashboards are made of: panels, rows, variables, and the few PromQL forms they share. Nothing
// here knows a metric.

const repository = 'https://github.com/llasta/llasta-telemetry/blob/main';

// ---------------------------------------------------------------------------------------------
// PromQL. Every selector is limited to what the variables choose; where a label does not exist, as
// without Kubernetes, the choice "All" finds the series all the same.

const chosen = 'cluster=~"$cluster",namespace=~"$namespace"';

export const of = (metric, matchers = '') => `${metric}{${matchers === '' ? chosen : `${chosen},${matchers}`}}`;
export const rate = (metric, matchers) => `rate(${of(metric, matchers)}[$__rate_interval])`;
export const increase = (metric, matchers) => `increase(${of(metric, matchers)}[$__rate_interval])`;
export const sum = (expression, ...by) => (by.length === 0 ? `sum(${expression})` : `sum by (${by.join(', ')}) (${expression})`);
export const quantile = (q, histogram, matchers, ...by) =>
  `histogram_quantile(${q}, ${sum(rate(`${histogram}_bucket`, matchers), 'le', ...by)})`;
// The mean of a histogram's observations.
export const mean = (histogram, matchers, ...by) =>
  `${sum(rate(`${histogram}_sum`, matchers), ...by)} / ${sum(rate(`${histogram}_count`, matchers), ...by)}`;

// ---------------------------------------------------------------------------------------------
// Queries.

const prometheus = { type: 'prometheus', uid: '${prometheus}' };
const tempo = { type: 'tempo', uid: '${tempo}' };
const loki = { type: 'loki', uid: '${loki}' };

export const promql = (expr, legendFormat = '', more = {}) =>
  ({ datasource: prometheus, expr, legendFormat, range: true, instant: false, editorMode: 'code', ...more });
// The same with the traces that belong to it as dots.
export const withExemplars = (expr, legendFormat) => promql(expr, legendFormat, { exemplar: true });
// The last value alone; `listed` as the rows of a table.
export const instant = (expr, legendFormat) => promql(expr, legendFormat, { range: false, instant: true });
export const listed = (expr) => ({ ...instant(expr), format: 'table' });
export const traceql = (query, more = {}) =>
  ({ datasource: tempo, query, queryType: 'traceql', filters: [], limit: 20, tableType: 'traces', ...more });
export const logql = (expr) => ({ datasource: loki, expr, queryType: 'range', editorMode: 'code' });

// ---------------------------------------------------------------------------------------------
// Panels. `size` is [width of 24, height]; on a screen 1366 pixels wide 24 units are some 1300 pixels
// and one unit of height is 38.

const link = { type: 'link', title: '', url: '', tooltip: '', icon: 'external link', tags: [], asDropdown: false, includeVars: false, keepTime: false, targetBlank: false };
const page = (title, path) => ({ ...link, title, url: `${repository}/${path}`, icon: 'doc', targetBlank: true });

const steps = (thresholds) => [
  { color: 'green', value: null },
  ...thresholds.map((value, index) => ({ color: index === thresholds.length - 1 ? 'red' : 'orange', value })),
];

function panel(type, title, size, queries, { description, unit, alerts = [], thresholds, decimals, min = 0, max, custom, options, overrides = [], ...more }) {
  const [w, h] = size;
  const defaults = { unit, decimals, min: min ?? undefined, max, custom, color: { mode: thresholds ? 'thresholds' : 'palette-classic' } };
  defaults.thresholds = { mode: 'absolute', steps: steps(thresholds ?? []) };
  return {
    type,
    title,
    description,
    datasource: queries[0].datasource,
    targets: queries.map((query, index) => ({ refId: String.fromCharCode(65 + index), ...query })),
    fieldConfig: { defaults, overrides },
    options,
    links: alerts.map((alert) => page(`Runbook: ${alert}`, `docs/runbooks/${alert}.md`)),
    gridPos: { x: 0, y: 0, w, h },
    ...more,
  };
}

// Lines over time. `stack` makes areas that add up.
export function lines(title, size, queries, { stack = false, thresholds, ...more }) {
  return panel('timeseries', title, size, queries, {
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    custom: {
      drawStyle: 'line',
      lineWidth: 1,
      fillOpacity: stack ? 40 : 8,
      showPoints: 'never',
      spanNulls: false,
      stacking: { mode: stack ? 'normal' : 'none', group: 'A' },
      ...(thresholds ? { thresholdsStyle: { mode: 'dashed' } } : {}),
    },
    ...more,
    ...(thresholds ? { thresholds } : {}),
  });
}

// Latency: the exemplars on it lead to traces.
export const latency = (title, size, queries, more) =>
  lines(title, size, queries.map((query) => ({ ...query, exemplar: true })), { unit: 's', ...more });

// One number and how it came about.
export function stat(title, size, queries, { background = false, ...more }) {
  return panel('stat', title, size, queries, {
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      orientation: 'auto',
      textMode: 'auto',
      colorMode: background ? 'background' : 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      percentChangeColorMode: 'standard',
      showPercentChange: false,
      wideLayout: true,
    },
    ...more,
  });
}

// How the observations of a histogram spread over time.
export function heatmap(title, size, query, { unit, ...more }) {
  return panel('heatmap', title, size, [{ ...query, format: 'heatmap', legendFormat: '{{le}}', exemplar: true }], {
    options: {
      calculate: false,
      yAxis: { unit, axisPlacement: 'left' },
      color: { mode: 'scheme', scheme: 'Oranges', steps: 64, exponent: 0.5, fill: 'dark-orange', reverse: false },
      cellGap: 1,
      filterValues: { le: 1e-9 },
      tooltip: { mode: 'single', yHistogram: false, showColorScale: false },
      legend: { show: false },
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      showValue: 'never',
      rowsFrame: { layout: 'auto' },
    },
    ...more,
  });
}

// Rows of text and numbers: an instant query's labels, or found traces.
export const table = (title, size, queries, more) =>
  panel('table', title, size, queries, { options: { showHeader: true, cellHeight: 'sm' }, min: null, ...more });

export const logs = (title, size, query, more) =>
  panel('logs', title, size, [query], {
    options: {
      showTime: true,
      showLabels: false,
      showCommonLabels: false,
      wrapLogMessage: true,
      prettifyLogMessage: false,
      enableLogDetails: true,
      dedupStrategy: 'none',
      sortOrder: 'Descending',
    },
    min: null,
    ...more,
  });

// The labels of what an instant query finds, without the time, and without the value where it says nothing.
export const listing = (title, size, query, { value, ...more }) =>
  table(title, size, [listed(query)], {
    transformations: [
      {
        id: 'organize',
        options: { excludeByName: { Time: true, ...(value ? {} : { Value: true }) }, renameByName: value ? { Value: value } : {}, indexByName: {} },
      },
    ],
    ...more,
  });

// A field of a table whose text is the name of an alert leads to the alert's page.
export const toRunbook = (field) => ({
  matcher: { id: 'byName', options: field },
  properties: [{ id: 'links', value: [{ title: 'Runbook', url: `${repository}/docs/runbooks/\${__value.text}.md`, targetBlank: true }] }],
});

// A query of a panel that has an axis of its own, on the right, from 0 to 1.
export const onTheRight = (refId) => ({
  matcher: { id: 'byFrameRefID', options: refId },
  properties: [{ id: 'custom.axisPlacement', value: 'right' }, { id: 'max', value: 1 }],
});

export const row = (title, ...panels) => ({ title, panels });

// ---------------------------------------------------------------------------------------------
// Dashboards.

const source = (name, label) =>
  ({ type: 'datasource', name, label, query: name, refresh: 1, regex: '', hide: 0, multi: false, includeAll: false, options: [] });
const choice = (name, label, query) => ({
  type: 'query',
  name,
  label,
  datasource: prometheus,
  query: { query, refId: `variable-${name}` },
  refresh: 2,
  sort: 1,
  regex: '',
  hide: 0,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
  options: [],
});

// Puts the panels of each row beside each other, and below each other where a row is full. Ids are
// given in reading order. A row without a title is a row without a header.
function placed(rows) {
  const panels = [];
  let y = 0;
  const add = (panel) => panels.push({ id: panels.length + 1, ...panel });
  for (const { title, panels: members } of rows) {
    if (title !== '') {
      add({ type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: 24, h: 1 } });
      y += 1;
    }
    let x = 0;
    let height = 0;
    for (const member of members) {
      const { w, h } = member.gridPos;
      if (x + w > 24) {
        y += height;
        x = 0;
        height = 0;
      }
      add({ ...member, gridPos: { x, y, w, h } });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return panels;
}

// `known` is the metric whose labels say which clusters and namespaces there are.
export function dashboard({ uid, title, description, known, from = 'now-1h', rows }) {
  return {
    uid: `llasta-${uid}`,
    title: `LLASTA / ${title}`,
    description,
    tags: ['llasta'],
    schemaVersion: 42,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    time: { from, to: 'now' },
    refresh: '30s',
    fiscalYearStartMonth: 0,
    weekStart: '',
    timepicker: {},
    templating: {
      list: [
        source('prometheus', 'Metrics'),
        source('tempo', 'Traces'),
        source('loki', 'Logs'),
        choice('cluster', 'Cluster', `label_values(${known}, cluster)`),
        choice('namespace', 'Namespace', `label_values(${known}{cluster=~"$cluster"}, namespace)`),
      ],
    },
    annotations: {
      list: [
        {
          name: 'Versions',
          datasource: prometheus,
          enable: true,
          hide: false,
          iconColor: 'blue',
          target: {
            refId: 'Anno',
            expr: `count by (service, version) (${of('llasta_build_info')}) unless count by (service, version) (${of('llasta_build_info')} offset 5m)`,
          },
          titleFormat: '{{service}} {{version}}',
        },
      ],
    },
    links: [
      { ...link, type: 'dashboards', title: 'LLASTA', tags: ['llasta'], asDropdown: true, includeVars: true, keepTime: true },
      page('Runbooks', 'docs/runbooks/README.md'),
      page('Queries', 'docs/queries.md'),
    ],
    panels: placed(rows),
  };
}
