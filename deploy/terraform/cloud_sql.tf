# Dagster's own database. The application's is the customer's, and no part of this.
resource "google_sql_database_instance" "dagster" {
  # checkov:skip=CKV_GCP_6: TLS is required; client certificates would be more keys to keep, for an address that is private and passwords that are secrets
  # checkov:skip=CKV_GCP_79: the major that the tests run Dagster's storage on
  name                = "agentarmy-dagster"
  database_version    = "POSTGRES_16"
  region              = var.region
  deletion_protection = true
  encryption_key_name = var.cmek ? google_kms_crypto_key.regional[0].id : null

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.dagster_tier
    availability_type           = var.dagster_highly_available ? "REGIONAL" : "ZONAL"
    deletion_protection_enabled = true
    disk_type                   = "PD_SSD"
    disk_size                   = 20
    disk_autoresize             = true

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      start_time                     = "00:00"
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = local.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    # Sunday, after the weekly verification.
    maintenance_window {
      day          = 7
      hour         = 12
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    password_validation_policy {
      enable_password_policy = true
      min_length             = 24
    }

    # One by one, for the scanner reads no loop.
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_duration"
      value = "on"
    }
    database_flags {
      name  = "log_hostname"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
    database_flags {
      name  = "pgaudit.log"
      value = "role,ddl"
    }
    # A run holds up to three connections, the UI and the daemon about ten each.
    database_flags {
      name  = "max_connections"
      value = "200"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [
    google_kms_crypto_key_iam_member.regional,
    google_project_service.this,
    google_service_networking_connection.this,
  ]
}

resource "google_sql_database" "dagster" {
  name     = "dagster"
  instance = google_sql_database_instance.dagster.name
}

# Its user is made by hand, once: the password of one that Terraform makes would be in its state.
