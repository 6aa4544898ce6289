# The service, the worker pool and the jobs belong to the workflow, which replaces them from
# deploy/cloudrun/. Only grants on them are made here, once they exist.
locals {
  iap_agent = "serviceAccount:service-${var.project_number}@gcp-sa-iap.iam.gserviceaccount.com"
}

# Nobody calls the gateway but the Identity-Aware Proxy.
resource "google_cloud_run_v2_service_iam_member" "proxy" {
  count = var.deployed ? 1 : 0

  name     = "agentarmy-gateway"
  location = var.region
  role     = "roles/run.invoker"
  member   = local.iap_agent
}

# And nobody passes the proxy but these.
resource "google_iap_web_cloud_run_service_iam_member" "people" {
  for_each = var.deployed ? var.gateway_people : []

  cloud_run_service_name = "agentarmy-gateway"
  location               = var.region
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}
