// The six questions that the stack is there to answer, on one screen, and what to open next below it.

import { dashboard, latency, lines, listing, logql, logs, mean, of, onTheRight, promql, quantile, rate, row, stat, sum, table, toRunbook, traceql } from './grafana.mjs';
import { burn } from './slo.mjs';

const chat = 'endpoint="/api/chat"';
const search = 'endpoint="search"';
const ours = 'container=~"chatbot-rag|faiss-wrap|vllm"';

export default dashboard({
  uid: 'overview',
  title: 'Overview',
  description: 'Six questions about the whole: what is slowest, whether resources are enough, what fails, whether retrieval helps, what a question costs, how long users wait.',
  known: 'llasta_build_info',
  rows: [
    row(
      '',
      stat('Chats per second', [4, 3], [promql(sum(rate('chatbot_requests_total', chat)))], {
        unit: 'reqps',
        description: 'Chat requests that ended, in whichever way.',
      }),
      stat('Chats that fail', [4, 3], [promql(`${sum(rate('chatbot_requests_total', `${chat},status="error"`))} / ${sum(rate('chatbot_requests_total', `${chat},status!="cancelled"`))}`)], {
        unit: 'percentunit',
        thresholds: [0.005, 0.05],
        alerts: ['ChatbotAvailabilityBurn'],
        description: 'Share of the chats that were not given up. The objective allows 0.5 %.',
      }),
      stat('First byte, p95', [4, 3], [promql(quantile(0.95, 'chatbot_time_to_first_byte_seconds', chat))], {
        unit: 's',
        alerts: ['ChatbotLatencyBurn'],
        description: 'How long 95 of 100 users wait at most until something appears.',
      }),
      stat('Chunks per answer', [4, 3], [promql(mean('chatbot_rag_chunks_sent'))], {
        decimals: 1,
        alerts: ['AnswersWithoutContext'],
        description: 'Mean number of chunks that an answer is built on.',
      }),
      stat('Fastest budget burn', [4, 3], [promql(`max(${burn('1h')})`)], {
        decimals: 1,
        thresholds: [1, 6],
        alerts: ['ChatbotAvailabilityBurn', 'ChatbotLatencyBurn', 'FaissWrapAvailabilityBurn', 'FaissWrapLatencyBurn'],
        description: 'The objective that is worst off: at 1 its error budget lasts just as long as it should, at 14.4 two days.',
      }),
      stat('Alerts', [4, 3], [promql(`count(${of('ALERTS', 'part_of="llasta",alertstate="firing"')}) or vector(0)`)], {
        thresholds: [1],
        background: true,
        description: 'How many fire. The list is below.',
      }),
    ),
    row(
      '',
      latency('1. What is slowest?', [8, 7], [
        promql(quantile(0.95, 'chatbot_request_duration_seconds', chat), 'the whole chat'),
        promql(quantile(0.95, 'faiss_wrap_request_latency_seconds', search), 'search'),
        promql(quantile(0.95, 'chatbot_llm_time_to_first_token_seconds'), 'model, first token'),
        promql(quantile(0.95, 'vllm_request_duration_seconds'), 'model, whole answer'),
      ], {
        alerts: ['ChatbotLatencyBurn', 'FaissWrapLatencyBurn'],
        description: '95th percentiles of the chat and of what it waits for. The one that is nearly as high as the whole chat is the bottleneck.',
      }),
      lines('2. Are resources enough?', [8, 7], [
        promql(`max by (container) (sum by (container, pod) (${rate('container_cpu_usage_seconds_total', ours)}) / sum by (container, pod) (${of('kube_pod_container_resource_limits', `${ours},resource="cpu"`)}))`, 'CPU {{container}}'),
        promql(`max by (container) (sum by (container, pod) (${of('container_memory_working_set_bytes', ours)}) / sum by (container, pod) (${of('kube_pod_container_resource_limits', `${ours},resource="memory"`)}))`, 'memory {{container}}'),
        promql(`max(${of('vllm:kv_cache_usage_perc')})`, 'KV cache'),
      ], {
        unit: 'percentunit',
        max: 1,
        alerts: ['KvCacheFull', 'GpuMemoryFull', 'PodRestarting'],
        description: 'Share of its limit that the busiest copy of each service uses, and of vLLM\'s cache. Below 0.2 all day: too much is reserved. Near 1: too little.',
      }),
      lines('3. What fails?', [8, 7], [
        promql(sum(rate('chatbot_requests_total', `${chat},status="error"`)), 'chats'),
        promql(sum(rate('chatbot_faiss_requests_total', 'status="error"')), 'calls to faiss-wrap'),
        promql(sum(rate('chatbot_vllm_requests_total', 'status="error"')), 'calls to the model'),
        promql(sum(rate('faiss_wrap_requests_total', 'status="error"'), 'endpoint'), 'faiss-wrap {{endpoint}}'),
        promql(sum(rate('chatbot_requests_total', `${chat},status="cancelled"`)), 'given up by users'),
      ], {
        unit: 'reqps',
        alerts: ['ChatbotAvailabilityBurn', 'RetrievalFailing', 'GenerationFailing', 'TargetDown'],
        description: 'Failures per second, where they happen. A failed call to faiss-wrap fails no chat, it only makes the answer worse.',
      }),
      lines('4. Does retrieval help?', [8, 7], [
        promql(mean('chatbot_rag_chunks_sent'), 'chunks per answer'),
        promql(mean('faiss_wrap_search_results_count'), 'results per search'),
        traceql('{ name = "rag.retrieve_context" } | avg_over_time(span.rag.score_avg)'),
      ], {
        alerts: ['AnswersWithoutContext', 'RetrievalEmpty', 'ScoresFalling'],
        datasource: { type: 'datasource', uid: '-- Mixed --' },
        overrides: [onTheRight('C')],
        description: 'Chunks found, chunks used, and, on the right, their mean similarity out of the traces (0 to 1). Results without chunks: the threshold drops them all.',
      }),
      lines('5. What does a question cost?', [8, 7], [
        promql(`${sum(rate('chatbot_llm_tokens_total'), 'type')} / ignoring (type) group_left () ${sum(rate('chatbot_vllm_requests_total', 'status="success"'))}`, '{{type}} tokens'),
      ], {
        stack: true,
        description: 'Tokens per answer of the language model, as its usage block says.',
      }),
      latency('6. How long do users wait?', [8, 7], [
        promql(quantile(0.5, 'chatbot_request_duration_seconds', chat), 'last byte, p50'),
        promql(quantile(0.95, 'chatbot_request_duration_seconds', chat), 'last byte, p95'),
        promql(quantile(0.99, 'chatbot_request_duration_seconds', chat), 'last byte, p99'),
        promql(quantile(0.95, 'chatbot_time_to_first_byte_seconds', chat), 'first byte, p95'),
      ], {
        alerts: ['ChatbotLatencyBurn'],
        description: 'From the request to its first and its last byte. Each dot is a trace.',
      }),
    ),
    row(
      'Look closer',
      listing('Alerts', [8, 9], `max by (alertname, severity, alertstate, job, pod) (${of('ALERTS', 'part_of="llasta"')})`, {
        overrides: [toRunbook('alertname')],
        description: 'What fires or is about to. The name leads to its runbook.',
      }),
      table('Slow or failed chats', [16, 9], [traceql('{ rootServiceName = "chatbot-rag" && rootName = "POST /api/chat" && (trace:duration > 10s || status = error) }')], {
        description: 'Traces that took more than 10 s or in which something failed. A click opens the waterfall.',
      }),
      logs('Errors and warnings', [24, 8], logql('{service_name=~"chatbot-rag|faiss-wrap|vllm"} | json | level=~"ERROR|WARN"'), {
        description: 'A line\'s trace_id leads to its trace.',
      }),
    ),
  ],
});
