# Images. A tag, once given, stays with its image; services and jobs name images by digest.
resource "google_artifact_registry_repository" "images" {
  repository_id = "agentarmy"
  description   = "Images of agentarmy-ops"
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = var.cmek ? google_kms_crypto_key.regional[0].id : null

  docker_config {
    immutable_tags = true
  }

  # What is older than both rules allow can no longer be rolled back to.
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "${90 * local.day}s"
    }
  }

  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 20
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.regional, google_project_service.this]
}

# Who runs them elsewhere: that project's deployment has to see an image, and its Cloud Run to pull it.
resource "google_artifact_registry_repository_iam_member" "consumers" {
  for_each = merge([
    for project, number in var.image_consumers : {
      "${project}/deploy"    = "serviceAccount:agentarmy-deploy@${project}.iam.gserviceaccount.com"
      "${project}/cloud-run" = "serviceAccount:service-${number}@serverless-robot-prod.iam.gserviceaccount.com"
    }
  ]...)

  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = "roles/artifactregistry.reader"
  member     = each.value
}
