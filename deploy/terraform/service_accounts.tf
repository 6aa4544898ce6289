# One identity for each part. What each may do is in access.yaml.
locals {
  identities = {
    gateway    = "Serves people: the UI, the fleet page, metrics"
    daemon     = "Dagster's daemon: schedules, sensors, the queue; starts runs"
    run-worker = "Does the work: provisions, backs up, verifies, restores, prunes, offboards"
    migrate    = "Brings Dagster's storage to the schema of a new version"
    doctor     = "Looks whether everything is reached; changes nothing"
    deploy     = "GitHub's workflow: pushes images, replaces services and jobs"
  }
  # Those that Cloud Run runs as, and that the deployment may therefore act as.
  runtime_identities = setsubtract(keys(local.identities), ["deploy"])
}

resource "google_service_account" "this" {
  for_each = local.identities

  account_id   = "agentarmy-${each.key}"
  display_name = "agentarmy-${each.key}"
  description  = each.value

  depends_on = [google_project_service.this]
}
