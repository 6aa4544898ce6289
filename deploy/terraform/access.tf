# Roles and grants, as access.yaml says.
locals {
  access = yamldecode(templatefile("${path.module}/access.yaml", {
    objects     = "projects/_/buckets/${local.bucket}/objects/${var.store_prefix}"
    secrets     = "projects/${var.project_number}/secrets"
    application = local.application == null ? "" : "projects/${local.application.project}/instances/${local.application.name}"
    dagster     = "projects/${var.project_id}/instances/agentarmy-dagster"
  }))

  # project:region:instance; the project may be one of a domain (example.com:project:region:instance).
  application = var.application_instance == null ? null : {
    project = regex("^(.*):[^:]+:[^:]+$", var.application_instance)[0]
    name    = regex("[^:]+$", var.application_instance)
  }

  grants = merge([
    for identity, grants in local.access.grants : {
      for grant in grants : "${identity}/${grant.role}/${grant.at}" => {
        identity   = identity
        member     = "serviceAccount:${google_service_account.this[identity].email}"
        at         = grant.at
        predefined = startswith(grant.role, "roles/")
        role       = grant.role
        condition  = try(grant.condition, null)
        what       = grant.what
      }
    }
  ]...)

  # The id of each grant's role.
  role_ids = {
    for key, grant in local.grants : key =>
    grant.predefined ? grant.role : google_project_iam_custom_role.this[grant.role].name
  }

  setting_accessors = merge([
    for secret, identities in local.access.settings : {
      for identity in identities : "${secret}/${identity}" => { secret = secret, identity = identity }
    }
  ]...)
}

resource "google_project_iam_custom_role" "this" {
  for_each = local.access.roles

  role_id     = "agentarmy.${each.key}"
  title       = "agentarmy: ${each.key}"
  description = each.value.title
  permissions = each.value.permissions

  depends_on = [google_project_service.this]
}

resource "google_storage_bucket_iam_member" "backups" {
  for_each = { for key, grant in local.grants : key => grant if grant.at == "bucket" }

  bucket = google_storage_bucket.backups.name
  role   = local.role_ids[each.key]
  member = each.value.member

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]
    content {
      title      = "${each.value.identity}: ${each.value.role}"
      expression = condition.value
    }
  }
}

resource "google_storage_bucket_iam_member" "logs" {
  for_each = { for key, grant in local.grants : key => grant if grant.at == "logs" }

  bucket = google_storage_bucket.logs.name
  role   = local.role_ids[each.key]
  member = each.value.member
}

resource "google_project_iam_member" "this" {
  for_each = { for key, grant in local.grants : key => grant if contains(["project", "dagster-instance"], grant.at) }

  project = var.project_id
  role    = local.role_ids[each.key]
  member  = each.value.member

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]
    content {
      title      = "${each.value.identity}: ${each.value.role}"
      expression = condition.value
    }
  }
}

# The application's instance may be in another project, which has none of our roles.
resource "google_project_iam_member" "application" {
  for_each = { for key, grant in local.grants : key => grant if grant.at == "application-instance" && local.application != null }

  project = local.application.project
  role    = "roles/cloudsql.client"
  member  = each.value.member

  condition {
    title      = "${each.value.identity}: the application's instance"
    expression = each.value.condition
  }
}

resource "google_artifact_registry_repository_iam_member" "this" {
  for_each = { for key, grant in local.grants : key => grant if grant.at == "images" && var.publishes_images }

  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = local.role_ids[each.key]
  member     = each.value.member
}

resource "google_cloud_run_v2_job_iam_member" "run_worker" {
  for_each = { for key, grant in local.grants : key => grant if grant.at == "run-worker-job" && var.deployed }

  name     = "agentarmy-run-worker"
  location = var.region
  role     = local.role_ids[each.key]
  member   = each.value.member
}

resource "google_service_account_iam_member" "runtime" {
  for_each = merge([
    for key, grant in local.grants : {
      for identity in local.runtime_identities : "${key}/${identity}" => {
        role     = local.role_ids[key]
        member   = grant.member
        identity = identity
      }
    } if grant.at == "runtime-identities"
  ]...)

  service_account_id = google_service_account.this[each.value.identity].name
  role               = each.value.role
  member             = each.value.member
}
