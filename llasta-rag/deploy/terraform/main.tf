# Grafana's chart k8s-monitoring, the services, and dashboards and rules in Grafana Cloud.
#
#   terraform init && terraform apply

locals {
  # The services send to a Service whose name begins with the release's, so that neither can be chosen.
  monitoring = "grafana-k8s-monitoring"
  mixin      = "${path.module}/../../../llasta-telemetry/mixin"
  deploy     = "${path.module}/.."
}

resource "kubernetes_namespace_v1" "monitoring" {
  metadata {
    name = local.monitoring
  }
}

resource "kubernetes_secret_v1" "grafana_cloud" {
  metadata {
    name      = "grafana-cloud"
    namespace = kubernetes_namespace_v1.monitoring.metadata[0].name
  }

  data = {
    mimir-username = var.mimir.username
    loki-username  = var.loki.username
    tempo-username = var.tempo.username
    token          = var.grafana_cloud_token
  }
}

resource "helm_release" "monitoring" {
  name       = local.monitoring
  namespace  = kubernetes_namespace_v1.monitoring.metadata[0].name
  repository = "https://grafana.github.io/helm-charts"
  chart      = "k8s-monitoring"
  version    = var.chart_version
  values     = [file("${local.deploy}/helm/k8s-monitoring-values.yaml")]

  set = [
    { name = "cluster.name", value = var.cluster_name },
    { name = "destinations.mimir.url", value = var.mimir.url },
    { name = "destinations.loki.url", value = var.loki.url },
    { name = "destinations.tempo.url", value = var.tempo.url },
  ]

  depends_on = [kubernetes_secret_v1.grafana_cloud]
}

resource "helm_release" "services" {
  count = var.services.install ? 1 : 0

  name             = "llasta"
  namespace        = var.services.namespace
  create_namespace = true
  chart            = "${local.deploy}/helm/llasta-rag"
  values           = [yamlencode(var.services.values)]

  # Without it the services run all the same, and count their spans as failed.
  depends_on = [helm_release.monitoring]
}

resource "grafana_folder" "llasta" {
  title = "LLASTA"
  uid   = "llasta"
}

resource "grafana_dashboard" "llasta" {
  for_each = fileset("${local.mixin}/dashboards", "*.json")

  folder      = grafana_folder.llasta.uid
  config_json = file("${local.mixin}/dashboards/${each.value}")
  overwrite   = true
}

# One namespace of the ruler for each file: what is in a file is what is there.
resource "mimirtool_ruler_namespace" "llasta" {
  for_each = merge(
    { for name in fileset("${local.mixin}/rules", "*.yaml") : "llasta-rules-${trimsuffix(name, ".yaml")}" => "rules/${name}" },
    { for name in fileset("${local.mixin}/alerts", "*.yaml") : "llasta-alerts-${trimsuffix(name, ".yaml")}" => "alerts/${name}" },
  )

  namespace   = each.key
  config_yaml = file("${local.mixin}/${each.value}")
}
