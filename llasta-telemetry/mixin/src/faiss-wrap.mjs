import { dashboard, heatmap, increase, latency, lines, listing, logql, logs, mean, of, promql, quantile, rate, row, stat, sum, table, traceql } from './grafana.mjs';
import { burn } from './slo.mjs';

const search = 'endpoint="search"';
const job = 'job="faiss-wrap"';

export default dashboard({
  uid: 'faiss-wrap',
  title: 'faiss-wrap',
  description: 'The vector search: requests, latency, results, and whether the index holds what the store holds.',
  known: 'faiss_wrap_requests_total',
  rows: [
    row(
      'Index',
      stat('Vectors', [6, 4], [promql(`max(${of('faiss_wrap_index_size')})`)], { unit: 'short', alerts: ['IndexNotGrowing', 'RetrievalEmpty'], description: 'In the largest copy.' }),
      stat('Entries in the store', [6, 4], [promql(`max(${of('faiss_wrap_metadata_size')})`)], { unit: 'short', alerts: ['IndexAndMetadataApart'], description: 'As many as vectors, when all is well.' }),
      stat('Apart', [6, 4], [promql(`max(abs(${of('faiss_wrap_index_size')} - ${of('faiss_wrap_metadata_size')}))`)], { thresholds: [1], background: true, alerts: ['IndexAndMetadataApart'], description: 'How many entries index and store differ by.' }),
      stat('Dimension', [6, 4], [promql(`max(${of('faiss_wrap_embedding_dimension')})`)], { description: '1024 for bge-m3. Another number means another embedding model.' }),
      lines('Size', [12, 8], [
        promql(of('faiss_wrap_index_size'), 'vectors {{instance}}'),
        promql(of('faiss_wrap_metadata_size'), 'entries {{instance}}'),
      ], { unit: 'short', alerts: ['IndexAndMetadataApart', 'IndexNotGrowing'], description: 'The two lines of a copy lie on each other.' }),
      lines('Items upserted', [12, 8], [
        promql(increase('faiss_wrap_upserts_total'), 'upserted {{instance}}'),
        promql(increase('faiss_wrap_requests_total', 'endpoint="reset",status="success"'), 'resets {{instance}}'),
      ], { unit: 'short', alerts: ['IndexNotGrowing'], description: 'Items, not requests. Known ids replace what was there and let the index stand still.' }),
    ),
    row(
      'Searches',
      latency('Latency', [8, 8], [
        promql(quantile(0.5, 'faiss_wrap_request_latency_seconds', search), 'p50'),
        promql(quantile(0.95, 'faiss_wrap_request_latency_seconds', search), 'p95'),
        promql(quantile(0.99, 'faiss_wrap_request_latency_seconds', search), 'p99'),
      ], { thresholds: [0.25], alerts: ['FaissWrapLatencyBurn'], description: 'Embedding and index together. The objective is 99 % within 0.25 s.' }),
      heatmap('Latencies', [8, 8], promql(sum(rate('faiss_wrap_request_latency_seconds_bucket', search), 'le')), { unit: 's', description: 'How many searches took how long.' }),
      lines('Embedding or index?', [8, 8], [
        traceql('{ resource.service.name = "faiss-wrap" && name =~ "faiss.embed_query|faiss.index_search" } | quantile_over_time(duration, 0.95) by (name)'),
      ], { unit: 's', alerts: ['FaissWrapLatencyBurn'], description: '95th percentile of the two steps, out of the traces.' }),
      lines('Results per search', [8, 8], [
        promql(mean('faiss_wrap_search_results_count'), 'mean'),
        promql(`${sum(rate('faiss_wrap_search_results_total'))} / ${sum(rate('faiss_wrap_search_total'))}`, 'results / searches'),
      ], { alerts: ['RetrievalEmpty'], description: 'As many as were asked for, unless the index is smaller.' }),
      lines('Searches that find nothing', [8, 8], [
        promql(`${sum(rate('faiss_wrap_search_results_count_bucket', 'le=~"0([.]0)?"'))} / ${sum(rate('faiss_wrap_search_results_count_count'))}`, 'share'),
      ], { unit: 'percentunit', thresholds: [0.5], alerts: ['RetrievalEmpty'], description: 'An empty index, or blank queries.' }),
      lines('Similarity of the results', [8, 8], [
        traceql('{ name = "faiss.search" } | avg_over_time(span.faiss.score_avg)'),
        traceql('{ name = "faiss.search" } | max_over_time(span.faiss.score_max)'),
      ], { max: 1, alerts: ['ScoresFalling'], description: 'Before the threshold of chatbot-rag, out of the traces.' }),
    ),
    row(
      'Requests',
      lines('By operation', [8, 8], [promql(sum(rate('faiss_wrap_requests_total'), 'endpoint'), '{{endpoint}}')], { unit: 'reqps', stack: true, description: 'Searches, upserts, resets, probes.' }),
      lines('Not successful', [8, 8], [promql(sum(rate('faiss_wrap_requests_total', 'status!="success"'), 'endpoint', 'status'), '{{endpoint}} {{status}}')], { unit: 'reqps', alerts: ['FaissWrapAvailabilityBurn'], description: 'Failed, or given up by the caller.' }),
      lines('In flight', [8, 8], [promql(sum(of('faiss_wrap_requests_in_flight'), 'endpoint'), '{{endpoint}}')], { description: 'Being answered now.' }),
      latency('Latency of upserts', [12, 7], [
        promql(quantile(0.5, 'faiss_wrap_request_latency_seconds', 'endpoint="upsert"'), 'p50'),
        promql(quantile(0.95, 'faiss_wrap_request_latency_seconds', 'endpoint="upsert"'), 'p95'),
      ], { description: 'One request may bring many items, and each is embedded.' }),
      lines('Budget burn', [12, 7], [
        promql(burn('1h', 'service="faiss-wrap"'), '{{slo}}, 1 h'),
        promql(burn('6h', 'service="faiss-wrap"'), '{{slo}}, 6 h'),
      ], { thresholds: [1, 14.4], alerts: ['FaissWrapAvailabilityBurn', 'FaissWrapLatencyBurn'], description: 'At 1 the budget lasts its 30 days, at 14.4 two.' }),
    ),
    row(
      'Process, traces and logs',
      lines('CPU', [8, 7], [promql(rate('process_cpu_seconds_total', job), '{{instance}}')], { unit: 'short', description: 'Processors in use, by copy.' }),
      lines('Memory', [8, 7], [promql(of('process_resident_memory_bytes', job), '{{instance}}')], { unit: 'bytes', alerts: ['PodRestarting'], description: 'A vector of dimension 1024 takes 4 KiB.' }),
      listing('Versions', [8, 7], `count by (service, version) (${of('llasta_build_info', 'service="faiss-wrap"')})`, { value: 'copies', description: 'Copies of each version that run.' }),
      table('Slow or failed searches', [12, 9], [traceql('{ resource.service.name = "faiss-wrap" && kind = server && (duration > 250ms || status = error) }')], { description: 'A click opens the waterfall.' }),
      logs('Log', [12, 9], logql('{service_name="faiss-wrap"} | json'), { description: 'A line\'s trace_id leads to its trace.' }),
    ),
  ],
});
