output "otlp_endpoint" {
  description = "Where services send their spans."
  value       = "http://${local.monitoring}-alloy-receiver.${local.monitoring}.svc.cluster.local:4317"
}

output "dashboards" {
  description = "Addresses of the dashboards."
  value       = { for name, dashboard in grafana_dashboard.llasta : name => dashboard.url }
}
