# Keys of one's own (CMEK), where asked for: one beside the bucket of backups, one in the region of
# all else. Archives are encrypted with age besides, whoever holds these keys.
locals {
  kms_location = coalesce(var.kms_location, lower(var.bucket_location))

  # Google's agents, which encrypt and decrypt on behalf of their services. Those of the last two
  # have to be made once: see docs/infrastructure.md.
  regional_key_users = var.cmek ? {
    storage          = "service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
    artifactregistry = "service-${var.project_number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    sqladmin         = "service-${var.project_number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
  } : {}
}

resource "google_kms_key_ring" "backups" {
  count = var.cmek ? 1 : 0

  name     = "agentarmy-backups"
  location = local.kms_location

  depends_on = [google_project_service.this]
}

resource "google_kms_crypto_key" "backups" {
  count = var.cmek ? 1 : 0

  name                       = "backups"
  key_ring                   = google_kms_key_ring.backups[0].id
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "${30 * local.day}s"

  # Without this key no backup can be read, ever.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "backups" {
  count = var.cmek ? 1 : 0

  crypto_key_id = google_kms_crypto_key.backups[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
}

resource "google_kms_key_ring" "regional" {
  count = var.cmek ? 1 : 0

  name     = "agentarmy"
  location = var.region

  depends_on = [google_project_service.this]
}

resource "google_kms_crypto_key" "regional" {
  count = var.cmek ? 1 : 0

  name                       = "agentarmy"
  key_ring                   = google_kms_key_ring.regional[0].id
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "${30 * local.day}s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "regional" {
  for_each = local.regional_key_users

  crypto_key_id = google_kms_crypto_key.regional[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
