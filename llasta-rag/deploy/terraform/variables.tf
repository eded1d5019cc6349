# Give these in the environment (TF_VAR_…) or in a file that is not committed. Whatever is secret is marked
# so: Terraform does not print it, and does write it to its state, which has to be kept accordingly.

variable "kubeconfig" {
  description = "Path of the kubeconfig."
  type        = string
  default     = "~/.kube/config"
}

variable "kube_context" {
  description = "Context in it; the current one when null."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "The label `cluster` of everything that comes from this cluster."
  type        = string
  default     = "llasta"
}

variable "chart_version" {
  description = "Version of Grafana's chart k8s-monitoring. The values are written for 4.x."
  type        = string
  default     = "~4.4"

  validation {
    condition     = can(regex("^[~^]?4([.]|$)", var.chart_version))
    error_message = "The values are those of chart 4.x; helm/k8s-monitoring-values-3.x.md says what 3.x calls them."
  }
}

variable "grafana_url" {
  description = "The stack, such as https://your-stack.grafana.net."
  type        = string
}

variable "grafana_token" {
  description = "Token of a service account of that stack with the role Editor; for folder and dashboards."
  type        = string
  sensitive   = true
}

variable "grafana_cloud_token" {
  description = "Token of an access policy with metrics:write, logs:write, traces:write, rules:read and rules:write."
  type        = string
  sensitive   = true
}

variable "mimir" {
  description = "Where metrics go, and the ruler. The numbers and addresses stand on the stack's page of Prometheus."
  type = object({
    url       = string # https://prometheus-….grafana.net/api/prom/push
    ruler_url = string # https://prometheus-….grafana.net
    username  = string
  })
}

variable "loki" {
  description = "Where log lines go."
  type = object({
    url      = string # https://logs-….grafana.net/loki/api/v1/push
    username = string
  })
}

variable "tempo" {
  description = "Where spans go."
  type = object({
    url      = string # https://tempo-….grafana.net:443
    username = string
  })
}

variable "services" {
  description = "Whether the services are installed too, and with which values of the chart llasta-rag."
  type = object({
    install   = optional(bool, true)
    namespace = optional(string, "llasta")
    values    = optional(any, {})
  })
  default = {}
}
