// The cluster below the services, from kube-state-metrics, cAdvisor, the kubelet and node-exporter, as
// Grafana's k8s-monitoring chart collects them. Nodes belong to no namespace.

import { dashboard, lines, listing, logql, logs, of, promql, rate, row, stat, sum } from './grafana.mjs';

const node = (metric, matchers = '') => `${metric}{cluster=~"$cluster"${matchers === '' ? '' : `,${matchers}`}}`;
const container = 'container!=""';

export default dashboard({
  uid: 'kubernetes',
  title: 'Kubernetes',
  description: 'Cluster, nodes, pods and containers: what is there, what it uses, what is wrong with it.',
  known: 'kube_pod_status_phase',
  rows: [
    row(
      'Cluster',
      stat('Nodes ready', [4, 4], [promql(`sum(${node('kube_node_status_condition', 'condition="Ready",status="true"')})`)], { description: 'Nodes that take pods.' }),
      stat('Nodes not ready', [4, 4], [promql(`sum(${node('kube_node_status_condition', 'condition="Ready",status!="true"')})`)], { thresholds: [1], background: true, description: 'Their pods are moved away after five minutes.' }),
      stat('Pods that do not run', [4, 4], [promql(`sum(${of('kube_pod_status_phase', 'phase=~"Pending|Failed|Unknown"')})`)], { thresholds: [1], background: true, alerts: ['TargetDown'], description: 'Pending, failed or unknown, in the namespaces chosen.' }),
      stat('Restarts in an hour', [4, 4], [promql(`sum(increase(${of('kube_pod_container_status_restarts_total')}[1h]))`)], { decimals: 0, thresholds: [1], background: true, alerts: ['PodRestarting'], description: 'Of all containers in the namespaces chosen.' }),
      stat('CPU requested', [4, 4], [promql(`sum(${node('kube_pod_container_resource_requests', 'resource="cpu"')}) / sum(${node('kube_node_status_allocatable', 'resource="cpu"')})`)], { unit: 'percentunit', max: 1, thresholds: [0.8, 0.95], description: 'Share of all nodes\' CPU that pods have reserved. Near 1: new pods stay pending.' }),
      stat('Memory requested', [4, 4], [promql(`sum(${node('kube_pod_container_resource_requests', 'resource="memory"')}) / sum(${node('kube_node_status_allocatable', 'resource="memory"')})`)], { unit: 'percentunit', max: 1, thresholds: [0.8, 0.95], description: 'The same for memory.' }),
    ),
    row(
      'Nodes',
      lines('CPU', [8, 8], [promql(`1 - avg by (instance) (rate(${node('node_cpu_seconds_total', 'mode="idle"')}[$__rate_interval]))`, '{{instance}}')], { unit: 'percentunit', max: 1, thresholds: [0.9], description: 'Share in use.' }),
      lines('Memory', [8, 8], [promql(`1 - ${node('node_memory_MemAvailable_bytes')} / ${node('node_memory_MemTotal_bytes')}`, '{{instance}}')], { unit: 'percentunit', max: 1, thresholds: [0.9], description: 'Share that is not available.' }),
      lines('Disk', [8, 8], [promql(`1 - ${node('node_filesystem_avail_bytes', 'fstype!~"tmpfs|overlay|squashfs"')} / ${node('node_filesystem_size_bytes', 'fstype!~"tmpfs|overlay|squashfs"')}`, '{{instance}} {{mountpoint}}')], { unit: 'percentunit', max: 1, thresholds: [0.85], description: 'Above 0.85 the kubelet begins to evict pods.' }),
      lines('Network', [12, 7], [
        promql(`sum by (instance) (rate(${node('node_network_receive_bytes_total', 'device!="lo"')}[$__rate_interval]))`, 'in {{instance}}'),
        promql(`-sum by (instance) (rate(${node('node_network_transmit_bytes_total', 'device!="lo"')}[$__rate_interval]))`, 'out {{instance}}'),
      ], { unit: 'Bps', min: null, description: 'In above zero, out below.' }),
      lines('Pressure', [12, 7], [promql(`sum by (node, condition) (${node('kube_node_status_condition', 'condition=~"MemoryPressure|DiskPressure|PIDPressure",status="true"')})`, '{{node}} {{condition}}')], { thresholds: [1], description: '1 as long as the node says that it is short of something.' }),
    ),
    row(
      'Pods',
      lines('CPU', [8, 8], [promql(sum(rate('container_cpu_usage_seconds_total', container), 'pod'), '{{pod}}')], { unit: 'short', description: 'Processors in use.' }),
      lines('Memory', [8, 8], [promql(sum(of('container_memory_working_set_bytes', container), 'pod'), '{{pod}}')], { unit: 'bytes', alerts: ['PodRestarting'], description: 'Working set: what the limit is compared with.' }),
      lines('Network', [8, 8], [
        promql(sum(rate('container_network_receive_bytes_total'), 'pod'), 'in {{pod}}'),
        promql(`-${sum(rate('container_network_transmit_bytes_total'), 'pod')}`, 'out {{pod}}'),
      ], { unit: 'Bps', min: null, description: 'In above zero, out below.' }),
      lines('Restarts', [8, 8], [promql(`sum by (pod, container) (increase(${of('kube_pod_container_status_restarts_total')}[1h])) > 0`, '{{pod}} {{container}}')], { decimals: 0, alerts: ['PodRestarting'], description: 'In the hour before each moment. Empty is good.' }),
      lines('Waiting containers', [8, 8], [promql(`sum by (pod, container, reason) (${of('kube_pod_container_status_waiting_reason')}) > 0`, '{{pod}} {{container}} {{reason}}')], { alerts: ['PodRestarting', 'TargetDown'], description: 'CrashLoopBackOff, ImagePullBackOff, … Empty is good.' }),
      listing('Why containers ended', [8, 8], `max by (pod, container, reason) (${of('kube_pod_container_status_last_terminated_reason')}) == 1`, { alerts: ['PodRestarting'], description: 'The last time. OOMKilled: over its memory limit.' }),
    ),
    row(
      'Limits',
      lines('Throttled', [8, 8], [promql(`${sum(rate('container_cpu_cfs_throttled_periods_total', container), 'pod', 'container')} / ${sum(rate('container_cpu_cfs_periods_total', container), 'pod', 'container')}`, '{{pod}} {{container}}')], { unit: 'percentunit', max: 1, thresholds: [0.25], alerts: ['FaissWrapLatencyBurn'], description: 'Share of the 100 ms periods in which the container had to stop at its CPU limit.' }),
      lines('CPU of its limit', [8, 8], [promql(`${sum(rate('container_cpu_usage_seconds_total', container), 'pod', 'container')} / ${sum(of('kube_pod_container_resource_limits', 'resource="cpu"'), 'pod', 'container')}`, '{{pod}} {{container}}')], { unit: 'percentunit', thresholds: [0.9], description: 'Containers with a CPU limit.' }),
      lines('Memory of its limit', [8, 8], [promql(`${sum(of('container_memory_working_set_bytes', container), 'pod', 'container')} / ${sum(of('kube_pod_container_resource_limits', 'resource="memory"'), 'pod', 'container')}`, '{{pod}} {{container}}')], { unit: 'percentunit', max: 1, thresholds: [0.9], alerts: ['PodRestarting'], description: 'At 1 the container is killed.' }),
    ),
    row(
      'Workloads and volumes',
      lines('Copies missing', [8, 8], [promql(`${sum(of('kube_deployment_spec_replicas'), 'deployment')} - ${sum(of('kube_deployment_status_replicas_available'), 'deployment')}`, '{{deployment}}')], { thresholds: [1], alerts: ['TargetDown'], description: 'Copies wanted and not available.' }),
      lines('Autoscaler', [8, 8], [
        promql(of('kube_horizontalpodautoscaler_status_current_replicas'), 'now {{horizontalpodautoscaler}}'),
        promql(of('kube_horizontalpodautoscaler_spec_max_replicas'), 'most {{horizontalpodautoscaler}}'),
      ], { description: 'At its most for long: raise it.' }),
      lines('Volumes', [8, 8], [promql(`${of('kubelet_volume_stats_used_bytes')} / ${of('kubelet_volume_stats_capacity_bytes')}`, '{{persistentvolumeclaim}}')], { unit: 'percentunit', max: 1, thresholds: [0.8], alerts: ['FaissWrapAvailabilityBurn'], description: 'The store and the index of faiss-wrap, and vLLM\'s models.' }),
      logs('Events', [24, 8], logql('{job="integrations/kubernetes/eventhandler", namespace=~"$namespace"} |= "Warning"'), { description: 'Warnings of Kubernetes, where the chart\'s cluster events are on.' }),
    ),
  ],
});
