variable "project_id" {
  description = "Project that everything is made in. It should hold nothing else, and the application's accounts should have no role in it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "project_number" {
  description = "Number of the same project: IAM conditions name secrets by it, and Google's own agents are named by it."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "A project number has digits only; see gcloud projects describe PROJECT_ID."
  }
}

variable "environment" {
  description = "staging or production; also the name of the GitHub environment that may deploy here."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "The environment is staging or production."
  }
}

variable "region" {
  description = "Region of Cloud Run, of the databases and of the image repository: the application database's."
  type        = string
}

variable "deployed" {
  description = "Whether the first deployment has made the Cloud Run service and jobs. Grants on them are made only then."
  type        = bool
  default     = false
}

# Backups

variable "store_prefix" {
  description = "Prefix in the bucket of backups: BACKUP_STORE_URL is gs://BUCKET/PREFIX. Roles hold below it only."
  type        = string
  default     = "agentarmy"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*$", var.store_prefix))
    error_message = "The prefix is one or more names of lower-case letters, digits, '_' and '-', separated by '/'."
  }
}

variable "bucket_location" {
  description = "Location of the bucket of backups: another region than the database's, a dual-region, or a multi-region."
  type        = string
}

variable "retention_days" {
  description = "Nobody, an owner of the project included, can delete a backup younger than this. 0: no retention policy. Less than KEEP_DAILY, or prune reports each night what it may not remove yet."
  type        = number
  default     = 6

  validation {
    condition     = var.retention_days >= 0 && var.retention_days <= 365
    error_message = "Give 0 to 365 days: what is retained cannot be erased when a tenant must be forgotten."
  }
}

variable "retention_locked" {
  description = "Locks the retention policy. This cannot be undone, ever: not by Terraform, not by Google's support. The bucket can then only be deleted when it is empty."
  type        = bool
  default     = false
}

variable "noncurrent_days" {
  description = "Days until an object that was deleted is gone for good. Until then, it can be brought back."
  type        = number
  default     = 7

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 90
    error_message = "Give 1 to 90 days."
  }
}

variable "soft_delete_days" {
  description = "Days that Cloud Storage keeps what was deleted for good. It also guards noncurrent versions, from an account that may delete."
  type        = number
  default     = 7

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90
    error_message = "Give 7 to 90 days: Cloud Storage knows no less, but none."
  }
}

variable "access_log_bucket" {
  description = "Bucket that receives the usage logs of the bucket of backups; unset: none. Data Access audit logs say more."
  type        = string
  default     = null
}

variable "log_days" {
  description = "Days that the logs of runs are kept, in a bucket of their own."
  type        = number
  default     = 30
}

# Customer-managed key

variable "cmek" {
  description = "Encrypts the buckets, the repository of images and Dagster's database with keys of this project instead of Google's."
  type        = bool
  default     = false
}

variable "kms_location" {
  description = "Location of the key of the bucket of backups: the bucket's. Unset: bucket_location in lower case."
  type        = string
  default     = null
}

# Network and databases

variable "network" {
  description = "VPC network through which the application database is reached (projects/PROJECT/global/networks/NAME), with private services access. Unset: one is made."
  type        = string
  default     = null
}

variable "run_cidr" {
  description = "Addresses of the subnet that Cloud Run sends from. Each instance takes up to two, some minutes longer than it lives."
  type        = string
  default     = "10.80.0.0/24"

  validation {
    condition     = can(cidrhost(var.run_cidr, 0)) && tonumber(split("/", var.run_cidr)[1]) <= 26
    error_message = "Give a network of /26 or larger, which is what Cloud Run asks for."
  }
}

variable "scratch_cidr" {
  description = "Addresses of the subnet of the scratch server."
  type        = string
  default     = "10.80.1.0/28"
}

variable "application_instance" {
  description = "Connection name (project:region:instance) of the Cloud SQL instance of the application database. Unset: it is reached by address only."
  type        = string
  default     = null

  validation {
    condition     = var.application_instance == null || can(regex("^[a-z0-9.:-]+:[a-z0-9-]+:[a-z0-9-]+$", var.application_instance))
    error_message = "A connection name is project:region:instance."
  }
}

variable "dagster_tier" {
  description = "Machine type of Dagster's database. Small ones allow too few connections: see max_connections."
  type        = string
  default     = "db-custom-1-3840"
}

variable "dagster_highly_available" {
  description = "Whether Dagster's database has a standby in another zone."
  type        = bool
  default     = false
}

variable "scratch_image" {
  description = "Image of PostgreSQL of the application's major and extensions, by digest, in the repository made here. Unset: no scratch server is made, and you provide one."
  type        = string
  default     = null

  validation {
    condition     = var.scratch_image == null || can(regex("@sha256:[0-9a-f]{64}$", var.scratch_image))
    error_message = "Name the image by digest: …@sha256:…"
  }
}

variable "scratch_machine_type" {
  description = "Machine type of the scratch server."
  type        = string
  default     = "e2-medium"
}

variable "scratch_disk_gb" {
  description = "Disk of the scratch server, in GB: two batches of tenants, or the largest, for each concurrent verification."
  type        = number
  default     = 50
}

# Who may what

variable "github_repository" {
  description = "Repository (owner/name) whose workflow deploys."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "A repository is owner/name, without wildcards."
  }
}

variable "github_tag_prefix" {
  description = "It deploys from tags that begin so. Let nobody but releasers make such tags: a ruleset of the repository, and the environment's own rule."
  type        = string
  default     = "refs/tags/v"

  validation {
    condition     = can(regex("^refs/tags/[A-Za-z0-9._/-]+$", var.github_tag_prefix))
    error_message = "Give the beginning of tags, refs/tags/…, without wildcards."
  }
}

variable "publishes_images" {
  description = "Whether the workflow pushes images to the repository made here: in staging. Production runs staging's images, by digest."
  type        = bool
}

variable "image_consumers" {
  description = "Projects that run images of this repository, their numbers by their ids: in staging, production's."
  type        = map(string)
  default     = {}
}

variable "gateway_people" {
  description = "Who may pass the Identity-Aware Proxy before the gateway (user:…, group:…). What they may do there is said by GATEWAY_IAP_OPERATORS and GATEWAY_IAP_VIEWERS."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.gateway_people : can(regex("^(user|group|serviceAccount):[^*]+@", one))])
    error_message = "Name people and groups one by one: user:…@…, group:…@…; never allUsers, a domain or a wildcard."
  }
}

# Alerts

variable "gateway_host" {
  description = "Host name of the gateway, for an uptime check of /health; unset: none. Behind the Identity-Aware Proxy, the check expects its refusal."
  type        = string
  default     = null
}

variable "alert_channels" {
  description = "Notification channels of Cloud Monitoring that alerts go to (projects/PROJECT/notificationChannels/ID)."
  type        = list(string)
  default     = []
}
