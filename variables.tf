variable "code" {
  description = "Folder with the Python files that run inside the jobs; the default is the module's own training folder."
  type        = string
  default     = null

  validation {
    condition = alltrue([
      for script in concat(["fetch.py"], [for job in local._jobs : job.script]) :
      fileexists("${coalesce(var.code, "${path.module}/training")}/${script}")
    ])
    error_message = "code must hold fetch.py and the script of every job: add the file, or name another one in the job's `script`."
  }
}

variable "dataset" {
  description = "Folder in the bucket that a run trains on when its input names no other; it lies below datasets/."
  type        = string
  default     = "datasets/sample/"
  nullable    = false

  validation {
    condition     = can(regex("^datasets/[^/].*/$", var.dataset))
    error_message = "dataset must be a folder below datasets/, with a slash at the end, for example datasets/sample/."
  }
}

variable "logs" {
  description = "The machine's and the functions' logs: days kept, and what the machine writes (ALL, ERROR, FATAL, OFF)."
  type = object({
    level          = optional(string, "ALL")
    retention_days = optional(number, 30)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["ALL", "ERROR", "FATAL", "OFF"], var.logs.level)
    error_message = "logs.level must be ALL, ERROR, FATAL or OFF."
  }
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.logs.retention_days)
    error_message = "logs.retention_days must be one of CloudWatch's steps: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 and on to 3653."
  }
}

variable "name" {
  description = "Name of the pipeline; every AWS name derives from it."
  type        = string
  default     = "documents"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 32
    error_message = "name must be 1 to 32 characters: lower-case words and digits joined by single hyphens, for example documents-dev."
  }
}

variable "storage" {
  description = <<-EOT
    The bucket. With `force_destroy`, destroy deletes it with everything in it, data and models included; without, a destroy
    is refused before it begins, and says so (docs/removal.md). What is deleted or
    overwritten can be brought back (`opsctl cleanup --undo`) for `noncurrent_days`, and is paid for as long.
    `bulk_concurrency` is how many batches of 1,000 objects the machine `bulk` works on at a time: about 8 reach the 3,500
    writes a second that S3 takes below one prefix, and each takes one of the account's concurrent Lambda calls.
    Below runs/ may delete, whatever other policies allow, only the pipeline's own roles, `operator_role_arns` (who runs
    `opsctl cleanup`) and `admin_role_arns`; these are roles or users, `*` in them stands for anything, and administrators
    are by default whoever applies. Name them where more than one person or CI applies, or each apply changes the policy.
    `access_log_bucket` names a bucket of yours that S3 writes a log of every request to, below the bucket's name; its own
    policy must let logging.s3.amazonaws.com write, and it must be encrypted with S3's own keys.
  EOT
  type = object({
    access_log_bucket  = optional(string)
    admin_role_arns    = optional(set(string))
    bulk_concurrency   = optional(number, 8)
    force_destroy      = optional(bool, false)
    noncurrent_days    = optional(number, 30)
    operator_role_arns = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = try(var.storage.noncurrent_days >= 1 && floor(var.storage.noncurrent_days) == var.storage.noncurrent_days, false)
    error_message = "storage.noncurrent_days must be a whole number of at least 1: S3 keeps deleted objects for whole days."
  }
  validation {
    condition     = var.storage.access_log_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.storage.access_log_bucket))
    error_message = "storage.access_log_bucket must be the name of a bucket, such as access-logs-123456789012, not its ARN or URL."
  }
  validation {
    condition     = try(var.storage.bulk_concurrency >= 1 && var.storage.bulk_concurrency <= 1000 && floor(var.storage.bulk_concurrency) == var.storage.bulk_concurrency, false)
    error_message = "storage.bulk_concurrency must be a whole number from 1 to 1000, the concurrent calls that Lambda gives an account."
  }
  validation {
    condition = alltrue([
      for arn in setunion(coalesce(var.storage.admin_role_arns, []), var.storage.operator_role_arns) :
      can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[^/].*$", arn))
    ])
    error_message = "storage.admin_role_arns and storage.operator_role_arns must hold ARNs of IAM roles or users, such as arn:aws:iam::123456789012:role/operator; for a session of a role (arn:aws:sts::…:assumed-role/…), name the role."
  }
}
