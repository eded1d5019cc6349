import { dashboard, heatmap, instant, latency, lines, listing, logql, logs, mean, of, promql, quantile, rate, row, stat, sum, table, traceql } from './grafana.mjs';
import { burn } from './slo.mjs';

const chat = 'endpoint="/api/chat"';
const job = 'job="chatbot-rag"';

export default dashboard({
  uid: 'chatbot-rag',
  title: 'chatbot-rag',
  description: 'The service that users talk to: its requests, what it asks of faiss-wrap and of the language model, chunks and tokens.',
  known: 'chatbot_requests_total',
  rows: [
    row(
      'Requests',
      lines('Chats by the way they ended', [8, 8], [promql(sum(rate('chatbot_requests_total', chat), 'status'), '{{status}}')], {
        unit: 'reqps',
        stack: true,
        alerts: ['ChatbotAvailabilityBurn'],
        description: 'success, error, or cancelled: the user left before the last byte.',
      }),
      latency('Duration', [8, 8], [
        promql(quantile(0.5, 'chatbot_request_duration_seconds', chat), 'p50'),
        promql(quantile(0.95, 'chatbot_request_duration_seconds', chat), 'p95'),
        promql(quantile(0.99, 'chatbot_request_duration_seconds', chat), 'p99'),
      ], { alerts: ['ChatbotLatencyBurn'], description: 'From the first byte in to the last byte out, streamed answers included.' }),
      latency('Time to first byte', [8, 8], [
        promql(quantile(0.5, 'chatbot_time_to_first_byte_seconds', chat), 'p50'),
        promql(quantile(0.95, 'chatbot_time_to_first_byte_seconds', chat), 'p95'),
        promql(quantile(0.99, 'chatbot_time_to_first_byte_seconds', chat), 'p99'),
      ], { description: 'For an answer that is not streamed this is nearly its whole duration.' }),
      heatmap('Durations', [12, 8], promql(sum(rate('chatbot_request_duration_seconds_bucket', chat), 'le')), {
        unit: 's',
        description: 'How many chats took how long. Two bands often mean streamed and whole answers, or short and long ones.',
      }),
      lines('In flight', [6, 8], [promql(sum(of('chatbot_requests_in_flight', chat), 'pod', 'instance'), '{{instance}}')], {
        description: 'Chats being answered, by copy.',
      }),
      lines('Everything that is no chat', [6, 8], [promql(sum(rate('chatbot_requests_total', 'endpoint!="/api/chat"'), 'endpoint'), '{{endpoint}}')], {
        unit: 'reqps',
        description: 'Probes, the chat page, and requests that match no route.',
      }),
    ),
    row(
      'Objectives',
      lines('Budget burn, availability', [12, 7], [
        promql(burn('5m', 'service="chatbot-rag",slo="availability"'), '5 min'),
        promql(burn('1h', 'service="chatbot-rag",slo="availability"'), '1 h'),
        promql(burn('6h', 'service="chatbot-rag",slo="availability"'), '6 h'),
      ], { thresholds: [1, 14.4], alerts: ['ChatbotAvailabilityBurn'], description: '99.5 % of chats do not fail. At 1 the budget lasts its 30 days, at 14.4 two.' }),
      lines('Budget burn, latency', [12, 7], [
        promql(burn('5m', 'service="chatbot-rag",slo="latency"'), '5 min'),
        promql(burn('1h', 'service="chatbot-rag",slo="latency"'), '1 h'),
        promql(burn('6h', 'service="chatbot-rag",slo="latency"'), '6 h'),
      ], { thresholds: [1, 14.4], alerts: ['ChatbotLatencyBurn'], description: '95 % of chats are answered to the last byte within 30 s.' }),
    ),
    row(
      'Retrieval',
      lines('Calls to faiss-wrap', [8, 8], [promql(sum(rate('chatbot_faiss_requests_total'), 'status'), '{{status}}')], {
        unit: 'reqps',
        stack: true,
        alerts: ['RetrievalFailing'],
        description: 'A call that fails fails no chat: the answer is made without documents.',
      }),
      lines('Chunks per answer', [8, 8], [
        promql(mean('chatbot_rag_chunks_sent'), 'mean'),
        promql(quantile(0.95, 'chatbot_rag_chunks_sent'), 'p95'),
      ], { alerts: ['AnswersWithoutContext'], description: 'Chunks that fit and were put into the prompt.' }),
      lines('Answers without any chunk', [8, 8], [
        promql(`${sum(rate('chatbot_rag_chunks_sent_bucket', 'le=~"0([.]0)?"'))} / ${sum(rate('chatbot_rag_chunks_sent_count'))}`, 'share'),
        promql(of('llasta:chunks_used:ratio_rate1h'), 'chunks used of those found, 1 h'),
      ], { unit: 'percentunit', thresholds: [0.5], alerts: ['AnswersWithoutContext', 'ScoresFalling'], description: 'What the model had to know by itself, and how much of what was found was good enough.' }),
      lines('Similarity of the chunks used', [12, 8], [
        traceql('{ name = "rag.retrieve_context" } | avg_over_time(span.rag.score_avg)'),
        traceql('{ name = "rag.retrieve_context" } | min_over_time(span.rag.score_min)'),
        traceql('{ name = "rag.retrieve_context" } | max_over_time(span.rag.score_max)'),
      ], { max: 1, alerts: ['ScoresFalling'], description: 'Out of the traces: scores are no metric. 1 is the same text.' }),
      lines('Time of each step', [12, 8], [
        traceql('{ resource.service.name = "chatbot-rag" && kind = internal } | quantile_over_time(duration, 0.95) by (name)'),
      ], { unit: 's', description: '95th percentile of each span, out of the traces.' }),
    ),
    row(
      'Generation',
      lines('Calls to the language model', [8, 8], [promql(sum(rate('chatbot_vllm_requests_total'), 'status'), '{{status}}')], {
        unit: 'reqps',
        stack: true,
        alerts: ['GenerationFailing'],
        description: 'Each that fails fails its chat.',
      }),
      latency('Time to first token', [8, 8], [
        promql(quantile(0.5, 'chatbot_llm_time_to_first_token_seconds', '', 'model'), 'p50 {{model}}'),
        promql(quantile(0.95, 'chatbot_llm_time_to_first_token_seconds', '', 'model'), 'p95 {{model}}'),
      ], { alerts: ['LlmQueueGrowing'], description: 'Streamed answers. Queueing and reading of the prompt are in it.' }),
      latency('Time per token after the first', [8, 8], [
        promql(quantile(0.5, 'chatbot_llm_time_per_output_token_seconds', '', 'model'), 'p50 {{model}}'),
        promql(quantile(0.95, 'chatbot_llm_time_per_output_token_seconds', '', 'model'), 'p95 {{model}}'),
      ], { alerts: ['TokensPerSecondFalling'], description: 'Streamed answers. People read at about 0.1 s a token.' }),
      lines('Tokens per second', [12, 8], [promql(sum(rate('chatbot_llm_tokens_total'), 'model', 'type'), '{{type}} {{model}}')], {
        stack: true,
        description: 'As the usage block of the server says.',
      }),
      stat('Tokens in the time shown', [12, 8], [instant(`sum by (model, type) (increase(${of('chatbot_llm_tokens_total')}[$__range]))`, '{{type}} {{model}}')], {
        unit: 'short',
        description: 'What the bill is made of.',
      }),
    ),
    row(
      'Process, traces and logs',
      lines('CPU', [8, 7], [promql(rate('process_cpu_seconds_total', job), '{{instance}}')], { unit: 'short', description: 'Processors in use, by copy.' }),
      lines('Memory', [8, 7], [promql(of('process_resident_memory_bytes', job), '{{instance}}')], { unit: 'bytes', description: 'Resident memory, by copy.' }),
      listing('Versions', [8, 7], `count by (service, version) (${of('llasta_build_info', 'service="chatbot-rag"')})`, { value: 'copies', description: 'Copies of each version that run.' }),
      table('Slowest chats', [12, 9], [traceql('{ rootServiceName = "chatbot-rag" && rootName = "POST /api/chat" && trace:duration > 1s }')], { description: 'A click opens the waterfall.' }),
      logs('Log', [12, 9], logql('{service_name="chatbot-rag"} | json'), { description: 'A line\'s trace_id leads to its trace.' }),
    ),
  ],
});
