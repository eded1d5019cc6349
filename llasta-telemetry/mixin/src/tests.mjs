// The tests of the alerts, for `promtool test rules`.
//
// Every test begins with healthy services that have been scraped once a minute, changes a few series,
// and says which alerts fire at which minute: those and no others.

const at = (job) => `cluster="c",namespace="llasta",job="${job}",instance="${job}:80",pod="${job}-0"`;
const chatbot = at('chatbot-rag');
const faiss = at('faiss-wrap');
const vllm = `${at('vllm')},model_name="m"`;
const gpu = 'gpu="0",Hostname="gpu-node"';
const restarts = 'cluster="c",namespace="llasta",pod="faiss-wrap-0",container="faiss-wrap"';

const length = 200;

// A counter that grows by so much a minute for so many minutes, then at the next pace.
function counter(...paces) {
  let value = 0;
  return paces.map(([minutes, pace]) => {
    const part = `${value}+${pace}x${minutes - 1}`;
    value += minutes * pace;
    return part;
  }).join(' ');
}
const gauge = (...levels) => levels.map(([minutes, value]) => `${value}x${minutes - 1}`).join(' ');
const steady = (pace) => counter([length, pace]);
const always = (value) => gauge([length, value]);

const healthy = {
  [`up{${chatbot}}`]: always(1),
  [`up{${faiss}}`]: always(1),
  [`up{${at('vllm')}}`]: always(1),
  [`chatbot_requests_total{${chatbot},endpoint="/api/chat",status="success"}`]: steady(60),
  [`chatbot_requests_total{${chatbot},endpoint="/api/chat",status="error"}`]: steady(0),
  [`chatbot_requests_total{${chatbot},endpoint="/api/chat",status="cancelled"}`]: steady(6),
  [`chatbot_request_duration_seconds_bucket{${chatbot},endpoint="/api/chat",le="30"}`]: steady(65),
  [`chatbot_request_duration_seconds_count{${chatbot},endpoint="/api/chat"}`]: steady(66),
  [`chatbot_faiss_requests_total{${chatbot},status="success"}`]: steady(60),
  [`chatbot_faiss_requests_total{${chatbot},status="error"}`]: steady(0),
  [`chatbot_vllm_requests_total{${chatbot},status="success"}`]: steady(60),
  [`chatbot_vllm_requests_total{${chatbot},status="error"}`]: steady(0),
  [`chatbot_rag_chunks_sent_bucket{${chatbot},le="0"}`]: steady(3),
  [`chatbot_rag_chunks_sent_sum{${chatbot}}`]: steady(180),
  [`chatbot_rag_chunks_sent_count{${chatbot}}`]: steady(60),
  [`faiss_wrap_requests_total{${faiss},endpoint="search",status="success"}`]: steady(60),
  [`faiss_wrap_requests_total{${faiss},endpoint="search",status="error"}`]: steady(0),
  [`faiss_wrap_requests_total{${faiss},endpoint="reset",status="success"}`]: steady(0),
  [`faiss_wrap_request_latency_seconds_bucket{${faiss},endpoint="search",le="0.25"}`]: steady(60),
  [`faiss_wrap_request_latency_seconds_count{${faiss},endpoint="search"}`]: steady(60),
  [`faiss_wrap_search_results_count_bucket{${faiss},le="0"}`]: steady(1),
  [`faiss_wrap_search_results_count_count{${faiss}}`]: steady(60),
  [`faiss_wrap_search_results_total{${faiss}}`]: steady(300),
  [`faiss_wrap_upserts_total{${faiss}}`]: steady(10),
  [`faiss_wrap_index_size{${faiss}}`]: `1000+10x${length}`,
  [`faiss_wrap_metadata_size{${faiss}}`]: `1000+10x${length}`,
  [`vllm_tokens_generated_total{${vllm}}`]: steady(6000),
  [`vllm_active_requests{${vllm}}`]: always(4),
  [`vllm_queue_size{${vllm}}`]: `0 3 0 0 1 0x${length}`,
  [`vllm:kv_cache_usage_perc{${vllm},engine="0"}`]: always(0.6),
  [`llasta_telemetry_spans_total{${chatbot},result="exported"}`]: steady(700),
  [`llasta_telemetry_spans_total{${chatbot},result="dropped"}`]: steady(0),
  [`llasta_telemetry_spans_total{${chatbot},result="failed"}`]: steady(0),
  [`kube_pod_container_status_restarts_total{${restarts}}`]: always(1),
  [`DCGM_FI_DEV_FB_USED{${gpu}}`]: always(72000),
  [`DCGM_FI_DEV_FB_FREE{${gpu}}`]: always(8000),
};

// The whole name of the one healthy series that has all of these words in it.
function series(...words) {
  const found = Object.keys(healthy).filter((name) => words.every((word) => name.includes(word)));
  if (found.length !== 1) throw new Error(`${words.join(' and ')} are in ${found.length} healthy series, not in one`);
  return found[0];
}

// What each test changes, and what fires at which minute.
const tests = [
  { name: 'healthy services', changes: {}, fires: { 30: [], 200: [] } },

  {
    name: 'one chat in five fails for 70 minutes',
    changes: {
      [series('chatbot_requests_total', 'success')]: counter([60, 60], [70, 48], [60, 60]),
      [series('chatbot_requests_total', 'error')]: counter([60, 0], [70, 12], [60, 0]),
    },
    // The page ends soon after the fault, the ticket stays while the budget is short.
    fires: {
      60: [],
      126: ['ChatbotAvailabilityBurn critical', 'ChatbotAvailabilityBurn warning'],
      170: ['ChatbotAvailabilityBurn warning'],
    },
  },
  {
    name: 'two chats in a hundred fail all the time',
    changes: { [series('chatbot_requests_total', 'error')]: steady(1.2) },
    fires: { 100: ['ChatbotAvailabilityBurn warning'] },
  },
  {
    name: 'three chats in a thousand fail, which the objective allows',
    changes: { [series('chatbot_requests_total', 'error')]: steady(0.18) },
    fires: { 100: [] },
  },
  {
    name: 'users give up, and no chat fails',
    changes: { [series('chatbot_requests_total', 'cancelled')]: steady(60) },
    fires: { 100: [] },
  },
  {
    name: 'one chat of the few at night fails',
    changes: {
      [series('chatbot_requests_total', 'success')]: counter([10, 1], [50, 0], [10, 1], [50, 0]),
      [series('chatbot_requests_total', 'error')]: counter([65, 0], [1, 1], [54, 0]),
      [series('chatbot_requests_total', 'cancelled')]: steady(0),
    },
    fires: { 68: [], 72: [], 120: [] },
  },
  {
    name: 'most chats take longer than 30 s',
    changes: { [series('chatbot_request_duration_seconds_bucket')]: counter([30, 65], [80, 5]) },
    fires: { 29: [], 100: ['ChatbotLatencyBurn critical', 'ChatbotLatencyBurn warning'] },
  },
  {
    name: 'one chat in five takes longer than 30 s',
    changes: { [series('chatbot_request_duration_seconds_bucket')]: steady(52.8) },
    fires: { 100: ['ChatbotLatencyBurn warning'] },
  },
  {
    name: 'Prometheus 3 writes the bound of a bucket with a decimal point',
    changes: {
      [series('chatbot_request_duration_seconds_bucket')]: undefined,
      [series('chatbot_request_duration_seconds_bucket').replace('le="30"', 'le="30.0"')]: counter([30, 65], [80, 5]),
      [series('chatbot_rag_chunks_sent_bucket')]: undefined,
      [series('chatbot_rag_chunks_sent_bucket').replace('le="0"', 'le="0.0"')]: steady(50),
      [series('search_results_count_bucket')]: undefined,
      [series('search_results_count_bucket').replace('le="0"', 'le="0.0"')]: steady(50),
    },
    fires: {
      29: ['AnswersWithoutContext warning', 'RetrievalEmpty critical'],
      100: [
        'AnswersWithoutContext warning',
        'ChatbotLatencyBurn critical',
        'ChatbotLatencyBurn warning',
        'RetrievalEmpty critical',
      ],
    },
  },
  {
    name: 'one search in ten fails',
    changes: { [series('faiss_wrap_requests_total', 'search', 'error')]: counter([30, 0], [80, 6.7]) },
    fires: { 30: [], 90: ['FaissWrapAvailabilityBurn critical', 'FaissWrapAvailabilityBurn warning'] },
  },
  {
    name: 'two searches in a thousand fail',
    changes: { [series('faiss_wrap_requests_total', 'search', 'error')]: steady(0.12) },
    fires: { 100: ['FaissWrapAvailabilityBurn warning'] },
  },
  {
    name: 'one search in four takes longer than a quarter of a second',
    changes: { [series('request_latency_seconds_bucket')]: counter([30, 60], [80, 45]) },
    fires: { 30: [], 90: ['FaissWrapLatencyBurn critical', 'FaissWrapLatencyBurn warning'] },
  },
  {
    name: 'one search in fifty takes longer than a quarter of a second',
    changes: { [series('request_latency_seconds_bucket')]: steady(58.8) },
    fires: { 100: ['FaissWrapLatencyBurn warning'] },
  },

  {
    name: 'faiss-wrap cannot be reached',
    changes: {
      [series('chatbot_faiss_requests_total', 'success')]: counter([60, 60], [40, 0]),
      [series('chatbot_faiss_requests_total', 'error')]: counter([60, 0], [40, 60]),
    },
    fires: { 61: [], 70: ['RetrievalFailing critical'] },
  },
  {
    name: 'one call to faiss-wrap in fifty fails',
    changes: { [series('chatbot_faiss_requests_total', 'error')]: steady(1.2) },
    fires: { 100: [] },
  },
  {
    name: 'searches find nothing',
    changes: { [series('search_results_count_bucket')]: counter([60, 1], [40, 60]) },
    fires: { 65: [], 90: ['RetrievalEmpty critical'] },
  },
  {
    name: 'chunks fall under the threshold',
    changes: { [series('chatbot_rag_chunks_sent_sum')]: counter([100, 180], [100, 40]) },
    fires: { 100: [], 190: ['ScoresFalling warning'] },
  },
  {
    name: 'scores fall a little',
    changes: { [series('chatbot_rag_chunks_sent_sum')]: counter([100, 180], [100, 120]) },
    fires: { 190: [] },
  },
  {
    name: 'no chunk reaches the model',
    changes: {
      [series('chatbot_rag_chunks_sent_bucket')]: counter([60, 3], [40, 60]),
      [series('chatbot_rag_chunks_sent_sum')]: counter([60, 180], [40, 0]),
    },
    fires: { 65: [], 90: ['AnswersWithoutContext warning'] },
  },

  {
    name: 'upserts succeed and the index stands still',
    changes: {
      [series('faiss_wrap_index_size')]: `1000+10x39 1400x80`,
      [series('faiss_wrap_metadata_size')]: `1000+10x39 1400x80`,
    },
    fires: { 50: [], 90: ['IndexNotGrowing warning'] },
  },
  {
    name: 'the index was reset on purpose',
    changes: {
      [series('faiss_wrap_requests_total', 'reset')]: gauge([45, 0], [55, 1]),
      [series('faiss_wrap_index_size')]: `1000+10x44 10+10x55`,
      [series('faiss_wrap_metadata_size')]: `1000+10x44 10+10x55`,
    },
    fires: { 60: [], 74: [], 99: [] },
  },
  {
    name: 'nothing is upserted',
    changes: {
      [series('faiss_wrap_upserts_total')]: steady(0),
      [series('faiss_wrap_index_size')]: always(1000),
      [series('faiss_wrap_metadata_size')]: always(1000),
    },
    fires: { 100: [] },
  },
  {
    name: 'the index loses three vectors that the store has',
    changes: { [series('faiss_wrap_index_size')]: `1000+10x60 1607+10x40` },
    fires: { 60: [], 65: [], 75: ['IndexAndMetadataApart warning'] },
  },

  {
    name: 'the language model refuses',
    changes: { [series('chatbot_vllm_requests_total', 'error')]: counter([60, 0], [40, 10]) },
    fires: { 61: [], 70: ['GenerationFailing critical'] },
  },
  {
    name: 'the queue grows',
    changes: { [series('vllm_queue_size')]: `0x60 1+2x40` },
    fires: { 61: [], 80: ['LlmQueueGrowing warning'] },
  },
  {
    name: 'a long queue stands still',
    changes: { [series('vllm_queue_size')]: gauge([60, 0], [40, 9]) },
    fires: { 90: ['LlmQueueGrowing warning'] },
  },
  {
    name: 'a short queue empties again and again',
    changes: { [series('vllm_queue_size')]: Array(60).fill('0 4 9 9 7 4 2 0').join(' ') },
    fires: { 100: [] },
  },
  {
    name: 'as many requests get a third of the tokens',
    changes: { [series('vllm_tokens_generated_total')]: counter([100, 6000], [80, 2000]) },
    fires: { 100: [], 140: ['TokensPerSecondFalling warning'] },
  },
  {
    name: 'fewer requests get fewer tokens',
    changes: {
      [series('vllm_tokens_generated_total')]: counter([100, 6000], [80, 1500]),
      [series('vllm_active_requests')]: gauge([100, 4], [80, 1]),
    },
    fires: { 140: [], 180: [] },
  },
  {
    name: 'nobody asks the language model',
    changes: {
      [series('vllm_tokens_generated_total')]: counter([100, 6000], [80, 0]),
      [series('vllm_active_requests')]: gauge([100, 4], [80, 0]),
    },
    fires: { 130: [], 180: [] },
  },
  {
    name: 'the KV cache is full',
    changes: { [series('kv_cache_usage_perc')]: gauge([60, 0.6], [40, 0.99]) },
    fires: { 65: [], 75: ['KvCacheFull warning'] },
  },

  {
    name: 'faiss-wrap does not answer its scrape',
    changes: { [series('up{', 'faiss-wrap')]: gauge([60, 1], [40, 0]) },
    fires: { 61: [], 65: ['TargetDown critical'] },
  },
  {
    name: 'nobody scrapes faiss-wrap any more',
    changes: { [series('up{', 'faiss-wrap')]: `${always(1).replace(/x\d+/, 'x40')} stale` },
    fires: { 45: [], 57: ['TargetMissing critical'] },
  },
  {
    name: 'the model is somebody else\'s and not scraped',
    changes: { [series('up{', 'vllm')]: undefined },
    fires: { 100: [] },
  },
  {
    name: 'the queue of spans is full',
    changes: { [series('spans_total', 'dropped')]: counter([60, 0], [40, 30]) },
    fires: { 61: [], 70: ['SpansDropped warning'] },
  },
  {
    name: 'the collector takes no spans',
    changes: { [series('spans_total', 'failed')]: counter([60, 0], [40, 700]) },
    fires: { 70: ['SpansDropped warning'] },
  },
  {
    name: 'a pod restarts three times in ten minutes',
    changes: { [series('restarts_total')]: gauge([60, 1], [5, 2], [5, 3], [30, 4]) },
    fires: { 62: [], 72: ['PodRestarting critical'] },
  },
  {
    name: 'a pod restarts once',
    changes: { [series('restarts_total')]: gauge([60, 1], [40, 2]) },
    fires: { 65: [], 80: [] },
  },
  {
    name: 'the memory of a GPU is full',
    changes: {
      [series('FB_USED')]: gauge([60, 72000], [40, 79000]),
      [series('FB_FREE')]: gauge([60, 8000], [40, 1000]),
    },
    fires: { 65: [], 75: ['GpuMemoryFull warning'] },
  },
];

const quote = (text) => `'${text.replaceAll("'", "''")}'`;

function fired(minute, alerts) {
  const samples = alerts.map((alert) => {
    const [alertname, severity] = alert.split(' ');
    return `
          - {labels: ${quote(`{alertname="${alertname}", severity="${severity}"}`)}, value: 1}`;
  });
  return `
      - eval_time: ${minute}m
        expr: count by (alertname, severity) (ALERTS{alertstate="firing"})
        exp_samples: ${samples.length === 0 ? '[]' : samples.join('')}`.trimEnd();
}

function written({ name, changes, fires }) {
  const all = Object.entries({ ...healthy, ...changes }).filter(([, values]) => values !== undefined);
  return `
  - name: ${quote(name)}
    interval: 1m
    input_series:${all.map(([key, values]) => `
      - {series: ${quote(key)}, values: ${quote(values)}}`).join('')}
    promql_expr_test:${Object.entries(fires).map(([minute, alerts]) => fired(minute, alerts)).join('')}
`;
}

// The file for promtool, which finds rules and alerts under this folder.
export const file = (mixin) => `rule_files: [${mixin}/rules/*.yaml, ${mixin}/alerts/*.yaml]
evaluation_interval: 1m
tests:${tests.map(written).join('')}`;

// The alerts that fire in some test, as "name severity".
export const firing = new Set(tests.flatMap(({ fires }) => Object.values(fires).flat()));
