terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # The bucket and prefix of the state are given to `terraform init`, one for each environment:
  # see docs/infrastructure.md. The state holds names and addresses, and no secret.
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
  region  = var.region

  default_labels = {
    environment = var.environment
    managed-by  = "terraform"
    part-of     = "agentarmy-ops"
  }
}
