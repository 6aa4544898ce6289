# GitHub's workflow deploys as agentarmy-deploy, without a key: it shows a token that GitHub signed,
# which says of which repository, tag and environment the job is. All three must be ours.
resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "github"
  display_name              = "GitHub Actions"
  description               = "Jobs of ${var.github_repository} in environment ${var.environment}"

  depends_on = [google_project_service.this]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: it reads conditions of one comparison, and this one has three; test_terraform.py tries it with tokens
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github-actions"
  display_name                       = "GitHub Actions"

  attribute_mapping = {
    "google.subject"        = "assertion.sub"
    "attribute.environment" = "assertion.environment"
    "attribute.ref"         = "assertion.ref"
    "attribute.repository"  = "assertion.repository"
  }

  # A token of another repository, of a branch, or of another environment is refused before any role is looked at.
  attribute_condition = "assertion.sub == 'repo:${var.github_repository}:environment:${var.environment}' && assertion.repository == '${var.github_repository}' && assertion.ref.startsWith('${var.github_tag_prefix}')"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

# Jobs of that repository, as far as the condition lets them in. Never the whole pool.
resource "google_service_account_iam_member" "github" {
  service_account_id = google_service_account.this["deploy"].name
  role               = "roles/iam.workloadIdentityUser"
  member = join("", [
    "principalSet://iam.googleapis.com/",
    google_iam_workload_identity_pool.github.name,
    "/attribute.repository/${var.github_repository}",
  ])
}
