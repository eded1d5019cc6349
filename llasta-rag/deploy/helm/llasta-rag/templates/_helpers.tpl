{{- /* The labels of every object: (dict "root" $ "name" "chatbot-rag"). */ -}}
{{- define "llasta.labels" -}}
{{ include "llasta.selector" . }}
app.kubernetes.io/part-of: llasta-rag
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* What selects pods: never changes, because a Deployment's selector cannot. */ -}}
{{- define "llasta.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- /* What makes Alloy scrape a pod: strings, every one of them, as annotations have to be. The first names the
service on the pod's log lines; without it the release's name could be taken for it. */ -}}
{{- define "llasta.annotations" -}}
resource.opentelemetry.io/service.name: {{ .name | quote }}
k8s.grafana.com/scrape: "true"
k8s.grafana.com/job: {{ .name | quote }}
k8s.grafana.com/metrics.portNumber: {{ .port | quote }}
k8s.grafana.com/metrics.path: "/metrics"
k8s.grafana.com/metrics.scrapeInterval: {{ .root.Values.telemetry.scrapeInterval | quote }}
{{- end }}

{{- define "llasta.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}

{{- /* Telemetry of a service of ours; the pod's name is the instance, as on its metrics and log lines. */ -}}
{{- define "llasta.env" -}}
- name: APP_HOST
  value: "0.0.0.0"
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.telemetry.otlpEndpoint | quote }}
- name: LLASTA_LOG_FORMAT
  value: json
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.namespace={{ .Release.Namespace }},service.instance.id=$(POD_NAME)
{{- with .Values.telemetry.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "llasta.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* The image's own user. */ -}}
{{- define "llasta.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* Ready when /health says so. Alive as long as the process answers at all: a neighbour that is down is no
reason to restart, and /metrics makes no span. */ -}}
{{- define "llasta.probes" -}}
startupProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 2
  failureThreshold: {{ div .startupSeconds 2 }}
readinessProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
livenessProbe:
  httpGet:
    path: /metrics
    port: http
  periodSeconds: 20
  timeoutSeconds: 5
{{- end }}

{{- define "llasta.vllmUrl" -}}
{{- if eq .Values.vllm.mode "external" -}}
{{- required "vllm.baseUrl says where the server is when vllm.mode is external" .Values.vllm.baseUrl -}}
{{- else if or (eq .Values.vllm.mode "vllm") (eq .Values.vllm.mode "stand-in") -}}
http://vllm:8000
{{- else -}}
{{- fail (printf "vllm.mode is %s; allowed: vllm, stand-in, external" .Values.vllm.mode) -}}
{{- end -}}
{{- end }}

{{- define "llasta.vllmModel" -}}
{{- ternary "llasta/extractive" .Values.vllm.model (eq .Values.vllm.mode "stand-in") -}}
{{- end }}

{{- /* Every pod asks for addresses and sends its spans. */ -}}
{{- define "llasta.alwaysOut" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Values.telemetry.namespace }}
  ports:
    - port: 4317
      protocol: TCP
{{- end }}

{{- /* Whoever scrapes. */ -}}
{{- define "llasta.scraper" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .Values.telemetry.namespace }}
{{- end }}
