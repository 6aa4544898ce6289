# The network that Cloud Run sends from (Direct VPC egress), and through which databases are reached.
locals {
  network = var.network == null ? google_compute_network.this[0].id : var.network
}

resource "google_compute_network" "this" {
  # checkov:skip=CKV2_GCP_18: nothing listens in it but the scratch server, whose rules are in scratch.tf
  count = var.network == null ? 1 : 0

  name                    = "agentarmy"
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "run" {
  name                     = "agentarmy-run"
  network                  = local.network
  region                   = var.region
  ip_cidr_range            = var.run_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Private services access: where Cloud SQL puts the addresses of its instances.
resource "google_compute_global_address" "services" {
  count = var.network == null ? 1 : 0

  name          = "agentarmy-services"
  network       = local.network
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "this" {
  count = var.network == null ? 1 : 0

  network                 = local.network
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services[0].name]
}
