# What Prometheus cannot see, for it lives beside what it watches: the gateway is not reached, or
# Dagster's database is nearly full. All else is in deploy/prometheus/rules.yml.
resource "google_monitoring_uptime_check_config" "gateway" {
  count = var.gateway_host == null ? 0 : 1

  display_name = "agentarmy-gateway"
  period       = "300s"
  timeout      = "10s"

  # Without a login the proxy answers 302 or 401: both prove that the address leads to it.
  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
    accepted_response_status_codes {
      status_value = 302
    }
    accepted_response_status_codes {
      status_value = 401
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      host       = var.gateway_host
      project_id = var.project_id
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "gateway" {
  count = var.gateway_host == null ? 0 : 1

  display_name          = "agentarmy-gateway is not reached"
  combiner              = "OR"
  notification_channels = var.alert_channels

  conditions {
    display_name = "The uptime check fails from more than one place"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type = \"monitoring.googleapis.com/uptime_check/check_passed\"",
        "resource.type = \"uptime_url\"",
        "metric.labels.check_id = \"${google_monitoring_uptime_check_config.gateway[0].uptime_check_id}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "600s"

      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }
}

resource "google_monitoring_alert_policy" "dagster_disk" {
  display_name          = "Disk of agentarmy-dagster is nearly full"
  combiner              = "OR"
  notification_channels = var.alert_channels

  conditions {
    display_name = "More than 85 % for 30 minutes"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type = \"cloudsql.googleapis.com/database/disk/utilization\"",
        "resource.type = \"cloudsql_database\"",
        "resource.labels.database_id = \"${var.project_id}:${google_sql_database_instance.dagster.name}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 0.85
      duration        = "1800s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MEAN"
      }
    }
  }

  depends_on = [google_project_service.this]
}
