terraform {
  required_version = ">= 1.9"

  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.1"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = "~> 2.38"
    }
    grafana = {
      source  = "grafana/grafana"
      version = "~> 4.0"
    }
    # Rules go to Mimir's ruler, which the Grafana provider does not speak with.
    mimirtool = {
      source  = "ovh/mimirtool"
      version = "~> 1.0"
    }
  }
}

provider "kubernetes" {
  config_path    = var.kubeconfig
  config_context = var.kube_context
}

provider "helm" {
  kubernetes = {
    config_path    = var.kubeconfig
    config_context = var.kube_context
  }
}

provider "grafana" {
  url  = var.grafana_url
  auth = var.grafana_token
}

provider "mimirtool" {
  address   = var.mimir.ruler_url
  tenant_id = var.mimir.username
  api_key   = var.grafana_cloud_token
}
