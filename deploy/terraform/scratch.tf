# The scratch server: PostgreSQL in a container on a machine of its own, thrown away and made anew by
#   terraform apply -replace 'google_compute_instance.scratch[0]'
# Not Cloud SQL: what archives hold is restored by a superuser, and Cloud SQL has none.
# See docs/security.md#the-scratch-server for what it must not reach.
locals {
  scratch = var.scratch_image == null ? 0 : 1
}

# An account that may fetch its image and its password, and nothing else.
resource "google_service_account" "scratch" {
  count = local.scratch

  account_id   = "agentarmy-scratch"
  display_name = "agentarmy-scratch"
  description  = "The machine of the scratch server: fetches its image and its password"

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository_iam_member" "scratch" {
  count = local.scratch

  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.scratch[0].member
}

resource "google_secret_manager_secret" "scratch_password" {
  count = local.scratch

  secret_id = "scratch_password"

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "scratch_password" {
  count = local.scratch

  secret_id = google_secret_manager_secret.scratch_password[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.scratch[0].member
}

resource "google_compute_subnetwork" "scratch" {
  count = local.scratch

  name                     = "agentarmy-scratch"
  network                  = local.network
  region                   = var.region
  ip_cidr_range            = var.scratch_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# The address that SCRATCH_DATABASE_URL names, whichever machine has it.
resource "google_compute_address" "scratch" {
  count = local.scratch

  name         = "agentarmy-scratch"
  region       = var.region
  address_type = "INTERNAL"
  subnetwork   = google_compute_subnetwork.scratch[0].id
}

resource "google_compute_instance" "scratch" {
  count = local.scratch

  name                      = "agentarmy-scratch"
  zone                      = "${var.region}-b"
  machine_type              = var.scratch_machine_type
  allow_stopping_for_update = true
  tags                      = ["agentarmy-scratch"]

  boot_disk {
    kms_key_self_link = var.cmek ? google_kms_crypto_key.regional[0].id : null

    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      size  = var.scratch_disk_gb
      type  = "pd-balanced"
    }
  }

  network_interface {
    subnetwork = google_compute_subnetwork.scratch[0].id
    network_ip = google_compute_address.scratch[0].address
  }

  service_account {
    email  = google_service_account.scratch[0].email
    scopes = ["cloud-platform"]
  }

  metadata = {
    block-project-ssh-keys   = "true"
    disable-legacy-endpoints = "true"
    scratch-image            = var.scratch_image
    scratch-password         = google_secret_manager_secret.scratch_password[0].id
    startup-script           = file("${path.module}/scratch.sh")
  }

  shielded_instance_config {
    enable_integrity_monitoring = true
    enable_secure_boot          = true
    enable_vtpm                 = true
  }
}

# In: PostgreSQL's port, from Cloud Run's subnet.
resource "google_compute_firewall" "scratch_in" {
  count = local.scratch

  name          = "agentarmy-scratch-in"
  network       = local.network
  direction     = "INGRESS"
  priority      = 900
  source_ranges = [var.run_cidr]
  target_tags   = ["agentarmy-scratch"]

  allow {
    protocol = "tcp"
    ports    = ["5432"]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "scratch_nothing_else_in" {
  count = local.scratch

  name          = "agentarmy-scratch-nothing-else-in"
  network       = local.network
  direction     = "INGRESS"
  priority      = 1000
  source_ranges = ["0.0.0.0/0"]
  target_tags   = ["agentarmy-scratch"]

  deny {
    protocol = "all"
  }
}

# Out: no private address, so neither the live database nor anything else of the network. What is
# left is Google's APIs, for the image and the password; and those not from within the container.
resource "google_compute_firewall" "scratch_not_out" {
  count = local.scratch

  name               = "agentarmy-scratch-not-out"
  network            = local.network
  direction          = "EGRESS"
  priority           = 900
  destination_ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
  target_tags        = ["agentarmy-scratch"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
