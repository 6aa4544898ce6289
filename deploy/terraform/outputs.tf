output "backup_store_url" {
  description = "BACKUP_STORE_URL."
  value       = "gs://${google_storage_bucket.backups.name}/${var.store_prefix}"
}

output "secrets_store_url" {
  description = "SECRETS_STORE_URL."
  value       = "sm://${var.project_id}"
}

output "log_bucket" {
  description = "Bucket of the logs of runs, for Dagster's compute logs."
  value       = google_storage_bucket.logs.name
}

output "image_repository" {
  description = "Where images are pushed to: REGION-docker.pkg.dev/PROJECT/agentarmy."
  value       = "${google_artifact_registry_repository.images.location}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "service_accounts" {
  description = "E-mail addresses of the identities, by name."
  value       = { for name, account in google_service_account.this : name => account.email }
}

output "workload_identity_provider" {
  description = "Name of the provider that GitHub's workflow authenticates with."
  value       = google_iam_workload_identity_pool_provider.github.name
}

output "secrets_to_fill" {
  description = "Secrets without a value until somebody adds a version."
  value       = concat(sort(keys(google_secret_manager_secret.settings)), google_secret_manager_secret.scratch_password[*].secret_id)
}

output "dagster_instance" {
  description = "Connection name of Dagster's database, project:region:instance."
  value       = google_sql_database_instance.dagster.connection_name
}

output "dagster_address" {
  description = "Private address of Dagster's database."
  value       = google_sql_database_instance.dagster.private_ip_address
}

output "scratch_address" {
  description = "Private address of the scratch server; null when none is made here."
  value       = one(google_compute_address.scratch[*].address)
}

output "run_subnetwork" {
  description = "Subnet that Cloud Run sends from."
  value       = google_compute_subnetwork.run.id
}
