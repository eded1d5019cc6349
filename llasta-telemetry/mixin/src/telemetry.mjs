import { dashboard, lines, listing, logql, logs, of, promql, rate, row, stat, sum } from './grafana.mjs';

const jobs = 'job=~"chatbot-rag|faiss-wrap|vllm"';

export default dashboard({
  uid: 'telemetry',
  title: 'Telemetry health',
  description: 'Whether what the other dashboards show can be believed: scrapes, spans on their way, rules, versions.',
  known: 'llasta_telemetry_spans_total',
  rows: [
    row(
      'At a glance',
      stat('Targets up', [6, 4], [promql(`sum(${of('up', jobs)})`)], { alerts: ['TargetDown', 'TargetMissing'], description: 'Copies that answer their scrape.' }),
      stat('Targets down', [6, 4], [promql(`count(${of('up', jobs)} == 0) or vector(0)`)], { thresholds: [1], background: true, alerts: ['TargetDown'], description: 'Copies that do not.' }),
      stat('Spans lost per second', [6, 4], [promql(sum(rate('llasta_telemetry_spans_total', 'result!="exported"')))], { thresholds: [0.001], background: true, alerts: ['SpansDropped'], description: 'Traces have holes while this is not 0.' }),
      stat('Fullest queue', [6, 4], [promql(`max(${of('llasta_telemetry_export_queue_length')} / ${of('llasta_telemetry_export_queue_capacity')})`)], { unit: 'percentunit', max: 1, thresholds: [0.5, 0.9], background: true, alerts: ['SpansDropped'], description: 'At 1 spans are dropped.' }),
    ),
    row(
      'Spans',
      lines('Spans by what became of them', [12, 8], [promql(sum(rate('llasta_telemetry_spans_total'), 'job', 'result'), '{{job}} {{result}}')], { stack: true, alerts: ['SpansDropped'], description: 'exported, dropped because the queue was full, or failed at the collector.' }),
      lines('Spans lost', [12, 8], [promql(sum(rate('llasta_telemetry_spans_total', 'result!="exported"'), 'instance', 'result'), '{{instance}} {{result}}')], { alerts: ['SpansDropped'], description: 'By copy.' }),
      lines('Export queue', [12, 8], [
        promql(of('llasta_telemetry_export_queue_length'), '{{instance}}'),
        promql(`max(${of('llasta_telemetry_export_queue_capacity')})`, 'capacity'),
      ], { alerts: ['SpansDropped'], description: 'Full all the time: the collector is too slow. Full at peaks: the queue is too short.' }),
      lines('Spans per chat', [12, 8], [promql(`${sum(rate('llasta_telemetry_spans_total', 'job="chatbot-rag"'))} / ${sum(rate('chatbot_requests_total', 'endpoint="/api/chat"'))}`, 'chatbot-rag')], { description: 'Eight when every chat is sampled, and as much less as the sampler leaves out. Probes add a few.' }),
    ),
    row(
      'Scrapes',
      lines('Up', [8, 7], [promql(of('up', jobs), '{{job}} {{instance}}')], { max: 1, alerts: ['TargetDown'], description: '1 or 0.' }),
      lines('Duration of a scrape', [8, 7], [promql(of('scrape_duration_seconds', jobs), '{{job}} {{instance}}')], { unit: 's', description: 'A page takes some milliseconds.' }),
      lines('Samples per scrape', [8, 7], [promql(of('scrape_samples_post_metric_relabeling', jobs), '{{job}} {{instance}}')], { description: 'Every label set is closed, so that this line is flat.' }),
    ),
    row(
      'Processes',
      lines('CPU', [8, 7], [promql(rate('process_cpu_seconds_total', jobs), '{{job}} {{instance}}')], { description: 'Processors in use.' }),
      lines('Threads', [8, 7], [promql(of('process_threads', jobs), '{{job}} {{instance}}')], { description: 'A number that only grows is a leak.' }),
      lines('Open files', [8, 7], [promql(`${of('process_open_fds', jobs)} / ${of('process_max_fds', jobs)}`, '{{job}} {{instance}}')], { unit: 'percentunit', max: 1, thresholds: [0.8], description: 'Connections count too.' }),
      lines('Age', [12, 7], [promql(`time() - ${of('process_start_time_seconds', jobs)}`, '{{job}} {{instance}}')], { unit: 's', alerts: ['PodRestarting'], description: 'A saw: it restarts.' }),
      listing('Versions', [12, 7], `max by (service, version, instance) (${of('llasta_build_info')})`, { description: 'Which build runs where.' }),
    ),
    row(
      'Alerts and logs',
      lines('Alerts that fire', [12, 8], [promql(`count by (alertname, severity) (${of('ALERTS', 'part_of="llasta",alertstate="firing"')})`, '{{alertname}} {{severity}}')], { stack: true, description: 'How often each fires. An alert that nobody acts on should go.' }),
      logs('What the exporters say', [12, 8], logql('{service_name=~"chatbot-rag|faiss-wrap|vllm"} | json | target=~"llasta_telemetry.*" | level=~"ERROR|WARN"'), { description: 'Why spans did not arrive.' }),
    ),
  ],
});
