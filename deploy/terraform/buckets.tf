locals {
  bucket     = "${var.project_id}-agentarmy-backups"
  log_bucket = "${var.project_id}-agentarmy-logs"
  day        = 24 * 60 * 60
}

resource "google_storage_bucket" "backups" {
  name                        = local.bucket
  location                    = var.bucket_location
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # Objects are never replaced, so a noncurrent version is one that prune or an offboarding
  # deleted, or a thief. It stays until the rule below removes it, and for soft_delete_days more.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  # Parts of uploads by other tools. Those of this software are resumable and end by themselves.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  # There is no rule that deletes what is current by age: only prune knows which backup is the
  # newest, and which was verified.

  dynamic "retention_policy" {
    for_each = var.retention_days > 0 ? [var.retention_days] : []
    content {
      retention_period = retention_policy.value * local.day
      is_locked        = var.retention_locked
    }
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * local.day
  }

  dynamic "encryption" {
    for_each = google_kms_crypto_key.backups
    content {
      default_kms_key_name = encryption.value.id
    }
  }

  dynamic "logging" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]
    content {
      log_bucket        = logging.value
      log_object_prefix = local.bucket
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.backups, google_project_service.this]
}

# What runs print. Dagster's UI reads it.
resource "google_storage_bucket" "logs" {
  # checkov:skip=CKV_GCP_62: what is written here are logs; who read them is in the audit log
  # checkov:skip=CKV_GCP_78: the UI shows the last version, and none is worth paying for
  name                        = local.log_bucket
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.log_days
    }
  }

  dynamic "encryption" {
    for_each = google_kms_crypto_key.regional
    content {
      default_kms_key_name = encryption.value.id
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.regional, google_project_service.this]
}
