// The first row has the contract's names, which llasta's stand-in has too; the others have vLLM's own
// and stay empty without a real vLLM.

import { dashboard, heatmap, latency, lines, logql, logs, mean, of, promql, quantile, rate, row, sum, table, traceql } from './grafana.mjs';

const model = ['model_name'];

export default dashboard({
  uid: 'vllm',
  title: 'vLLM',
  description: 'The language model\'s server: time to first token, time per token, queue, KV cache, tokens, GPU.',
  known: 'vllm_active_requests',
  rows: [
    row(
      'Under the contract\'s names',
      latency('Generation', [8, 8], [
        promql(quantile(0.5, 'vllm_request_duration_seconds', '', ...model), 'p50 {{model_name}}'),
        promql(quantile(0.95, 'vllm_request_duration_seconds', '', ...model), 'p95 {{model_name}}'),
        promql(quantile(0.99, 'vllm_request_duration_seconds', '', ...model), 'p99 {{model_name}}'),
      ], { alerts: ['ChatbotLatencyBurn'], description: 'Seconds of one generation, waiting included.' }),
      lines('Active and waiting', [8, 8], [
        promql(sum(of('vllm_active_requests'), ...model), 'active {{model_name}}'),
        promql(sum(of('vllm_queue_size'), ...model), 'waiting {{model_name}}'),
      ], { alerts: ['LlmQueueGrowing'], description: 'Waiting requests are what users feel first.' }),
      lines('Tokens per second', [8, 8], [
        promql(sum(rate('vllm_tokens_generated_total'), ...model), 'all {{model_name}}'),
        promql(of('llasta:tokens_per_active_request:rate10m'), 'for one request {{model_name}}'),
      ], { alerts: ['TokensPerSecondFalling'], description: 'All together fall with the demand. What one request gets falls with the server.' }),
    ),
    row(
      'What users wait for',
      latency('Time to first token', [8, 8], [
        promql(quantile(0.5, 'vllm:time_to_first_token_seconds', '', ...model), 'p50 {{model_name}}'),
        promql(quantile(0.95, 'vllm:time_to_first_token_seconds', '', ...model), 'p95 {{model_name}}'),
        promql(quantile(0.99, 'vllm:time_to_first_token_seconds', '', ...model), 'p99 {{model_name}}'),
      ], { alerts: ['ChatbotLatencyBurn', 'LlmQueueGrowing'], description: 'TTFT: waiting, and reading the prompt.' }),
      latency('Time per output token', [8, 8], [
        promql(quantile(0.5, 'vllm:request_time_per_output_token_seconds', '', ...model), 'p50 {{model_name}}'),
        promql(quantile(0.95, 'vllm:request_time_per_output_token_seconds', '', ...model), 'p95 {{model_name}}'),
        promql(quantile(0.95, 'vllm:inter_token_latency_seconds', '', ...model), 'p95 between two tokens {{model_name}}'),
      ], { alerts: ['TokensPerSecondFalling'], description: 'TPOT: the mean of a request after its first token, and the single gaps.' }),
      heatmap('Whole requests', [8, 8], promql(sum(rate('vllm:e2e_request_latency_seconds_bucket'), 'le')), { unit: 's', description: 'How many requests took how long.' }),
      lines('Where a request spends its time', [12, 8], [
        promql(mean('vllm:request_queue_time_seconds'), 'waiting'),
        promql(mean('vllm:request_prefill_time_seconds'), 'reading the prompt'),
        promql(mean('vllm:request_decode_time_seconds'), 'writing'),
      ], { unit: 's', stack: true, description: 'Means of the three phases.' }),
      lines('How requests end', [12, 8], [promql(sum(rate('vllm:request_success_total'), 'finished_reason'), '{{finished_reason}}')], {
        unit: 'reqps',
        stack: true,
        description: 'length: cut off at the limit of tokens. abort: the client left.',
      }),
    ),
    row(
      'Queue and cache',
      lines('Running and waiting', [8, 8], [
        promql(sum(of('vllm:num_requests_running'), ...model), 'running {{model_name}}'),
        promql(sum(of('vllm:num_requests_waiting_by_reason'), 'reason', ...model), 'waiting, {{reason}} {{model_name}}'),
      ], { alerts: ['LlmQueueGrowing'], description: 'Why requests wait: for room, or for their turn.' }),
      lines('KV cache in use', [8, 8], [promql(of('vllm:kv_cache_usage_perc'), '{{model_name}} {{engine}}')], {
        unit: 'percentunit',
        max: 1,
        thresholds: [0.95],
        alerts: ['KvCacheFull', 'GpuMemoryFull'],
        description: 'When it is full, requests wait or are preempted.',
      }),
      lines('Preemptions and prefix cache', [8, 8], [
        promql(sum(rate('vllm:num_preemptions_total'), ...model), 'preemptions per second {{model_name}}'),
        promql(`${sum(rate('vllm:prefix_cache_hits_total'), ...model)} / ${sum(rate('vllm:prefix_cache_queries_total'), ...model)}`, 'share of prompt tokens found in the prefix cache {{model_name}}'),
      ], { alerts: ['KvCacheFull'], description: 'A preempted request is computed twice. Prompts that begin alike are read once.' }),
    ),
    row(
      'Tokens',
      lines('Read and written', [8, 8], [
        promql(sum(rate('vllm:prompt_tokens_total'), ...model), 'prompt {{model_name}}'),
        promql(sum(rate('vllm:generation_tokens_total'), ...model), 'completion {{model_name}}'),
      ], { stack: true, description: 'Tokens per second.' }),
      lines('Length of prompts', [8, 8], [
        promql(quantile(0.5, 'vllm:request_prompt_tokens', '', ...model), 'p50 {{model_name}}'),
        promql(quantile(0.95, 'vllm:request_prompt_tokens', '', ...model), 'p95 {{model_name}}'),
      ], { description: 'Tokens. RAG_MAX_CONTEXT_CHARS bounds what retrieval adds.' }),
      lines('Length of answers', [8, 8], [
        promql(quantile(0.5, 'vllm:request_generation_tokens', '', ...model), 'p50 {{model_name}}'),
        promql(quantile(0.95, 'vllm:request_generation_tokens', '', ...model), 'p95 {{model_name}}'),
      ], { description: 'Tokens.' }),
    ),
    row(
      'GPU',
      lines('Utilisation', [8, 7], [promql('DCGM_FI_DEV_GPU_UTIL{cluster=~"$cluster"}', '{{Hostname}} GPU {{gpu}}')], { unit: 'percent', max: 100, alerts: ['TokensPerSecondFalling'], description: 'From NVIDIA\'s DCGM exporter.' }),
      lines('Memory in use', [8, 7], [
        promql('DCGM_FI_DEV_FB_USED{cluster=~"$cluster"} / (DCGM_FI_DEV_FB_USED{cluster=~"$cluster"} + DCGM_FI_DEV_FB_FREE{cluster=~"$cluster"})', '{{Hostname}} GPU {{gpu}}'),
      ], { unit: 'percentunit', max: 1, thresholds: [0.97], alerts: ['GpuMemoryFull'], description: 'vLLM takes 0.9 when it starts, and keeps it.' }),
      lines('Clock and temperature', [8, 7], [
        promql('DCGM_FI_DEV_SM_CLOCK{cluster=~"$cluster"}', 'MHz {{Hostname}} GPU {{gpu}}'),
        promql('DCGM_FI_DEV_GPU_TEMP{cluster=~"$cluster"}', '°C {{Hostname}} GPU {{gpu}}'),
      ], { alerts: ['TokensPerSecondFalling'], description: 'A hot GPU lowers its clock.' }),
    ),
    row(
      'Traces and logs',
      table('Slow generations', [12, 9], [traceql('{ name = "vllm.generate" && duration > 5s } | select(span.llm.tokens_prompt, span.llm.tokens_completion, span.llm.time_to_first_token)', { tableType: 'spans' })], {
        description: 'As chatbot-rag sees them. vLLM\'s own span llm_request lies below when it was started with --otlp-traces-endpoint.',
      }),
      logs('Log', [12, 9], logql('{service_name="vllm"}'), { description: 'A real vLLM writes text, the stand-in writes JSON.' }),
    ),
  ],
});
