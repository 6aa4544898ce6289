# Settings that are secrets: containers only. Values are added by hand, as versions, and are never
# in the configuration, the state or a plan. Tenants' secrets are made by the software itself.
resource "google_secret_manager_secret" "settings" {
  for_each = local.access.settings

  secret_id = each.key

  replication {
    auto {}
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "settings" {
  for_each = local.setting_accessors

  secret_id = google_secret_manager_secret.settings[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.this[each.value.identity].email}"
}
