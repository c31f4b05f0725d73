variable "base_models" {
  description = <<-EOT
    The base models, trained side by side: `text` and `image`, which ship with the module (models.tf), and one more for each
    further entry, such as `layout = { script = "text.py" }`. An entry for a shipped model changes only the fields, and of
    `hyperparameters` only the keys, that it names; null removes a shipped model, or a hyperparameter of one. A key such as
    `text` names the model everywhere: the state `Train Text Model`, the slug `train-text-model`, the hyperparameter group
    `text_model`, the channel `text` of the sequence model. `script` is the file below `code` that the job runs (default:
    the key and `.py`); the keys of `hyperparameters` are the only ones that a run may set; `image` defaults to AWS's
    PyTorch container for the instance type (default: one ml.g5.xlarge with 30 GB); `max_runtime` is in seconds (default:
    14400); `metrics` are read from lines such as `train_loss=0.5` (default: train_loss and validation_accuracy).
  EOT
  type = map(object({
    environment     = optional(map(string))
    hyperparameters = optional(map(string))
    image           = optional(string)
    instance = optional(object({
      count     = optional(number)
      type      = optional(string)
      volume_gb = optional(number)
    }))
    max_runtime = optional(number)
    metrics     = optional(set(string))
    script      = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = contains(range(1, 17), length([for key in setunion(keys(local.shipped_base_models), keys(var.base_models)) : key if try(var.base_models[key] != null, true)]))
    error_message = "base_models must leave 1 to 16 models, the shipped text and image among them unless they are set to null: the sequence model takes one input channel for each, and SageMaker has 20."
  }
  validation {
    condition     = alltrue([for key, model in var.base_models : model != null || contains(keys(local.shipped_base_models), key)])
    error_message = "null in base_models removes a model that ships with the module, and only text and image do: leave the entry out, or give it {}."
  }
  validation {
    condition     = alltrue([for key in keys(var.base_models) : can(regex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", key))])
    error_message = "A key of base_models becomes a state's name: use lower-case words joined by underscores, for example page_layout."
  }
  validation {
    condition     = alltrue([for key in keys(var.base_models) : length(key) <= 18])
    error_message = "A key of base_models may have at most 18 characters: the slug train-<key>-model may have 30, so that job names stay within SageMaker's 63."
  }
  validation {
    condition     = alltrue([for key in keys(var.base_models) : !contains(["average", "code", "data", "evaluate", "sequence", "sequence_model"], key)])
    error_message = "average, code, data, evaluate, sequence and sequence_model are taken by other channels, jobs and figures: choose another key in base_models."
  }
  validation {
    condition     = alltrue([for model in var.base_models : can(regex("^ml\\.", model.instance.type)) || try(model.instance.type, null) == null])
    error_message = "An instance type in base_models must be one of SageMaker's: it starts with ml., for example ml.g5.xlarge."
  }
  validation {
    condition     = alltrue([for model in var.base_models : try(model.max_runtime >= 60 && model.max_runtime <= 2419200, true)])
    error_message = "max_runtime in base_models is in seconds: use 60 to 2419200 (28 days, SageMaker's limit)."
  }
}

variable "batch" {
  description = <<-EOT
    The job that fetches the data. `image` needs Python and boto3 and no ENTRYPOINT; the default is AWS's public build image
    for Python functions, whose boto3 is found through PYTHONPATH=/var/runtime. `timeout` is in seconds, for each of
    `attempts`. `network` defaults to the default VPC's subnets. `source_buckets` are buckets other than the module's own
    that data may be fetched from.
  EOT
  type = object({
    attempts  = optional(number, 2)
    image     = optional(string, "public.ecr.aws/sam/build-python3.13:1.148.0-20251122050712")
    max_vcpus = optional(number, 16)
    memory_mb = optional(number, 2048)
    network = optional(object({
      assign_public_ip   = optional(bool, false)
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
    source_buckets = optional(list(string), [])
    timeout        = optional(number, 3600)
    vcpus          = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.batch.timeout >= 60
    error_message = "batch.timeout is in seconds and Batch takes no less than 60."
  }
  validation {
    condition     = var.batch.attempts >= 1 && var.batch.attempts <= 10
    error_message = "batch.attempts must be 1 to 10, Batch's limit."
  }
  validation {
    condition     = var.batch.network == null || try(length(var.batch.network.subnet_ids) > 0 && length(var.batch.network.security_group_ids) > 0, false)
    error_message = "batch.network needs at least one subnet and one security group; leave it out to use the default VPC."
  }
}

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

variable "evaluate" {
  description = "The job that measures the models on held-out stacks; the fields are those of base_models. `metrics` default to each model's page accuracy."
  type = object({
    environment     = optional(map(string), {})
    hyperparameters = optional(map(string), {})
    image           = optional(string)
    instance = optional(object({
      count     = optional(number, 1)
      type      = optional(string, "ml.m5.xlarge")
      volume_gb = optional(number, 30)
    }), {})
    max_runtime = optional(number, 3600)
    metrics     = optional(set(string))
    script      = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^ml\\.", var.evaluate.instance.type))
    error_message = "evaluate.instance.type must be one of SageMaker's: it starts with ml., for example ml.m5.xlarge."
  }
  validation {
    condition     = var.evaluate.max_runtime >= 60 && var.evaluate.max_runtime <= 2419200
    error_message = "evaluate.max_runtime is in seconds: use 60 to 2419200 (28 days, SageMaker's limit)."
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

variable "sequence_model" {
  description = "The model on top of the base models, which learns the order of pages; the fields are those of base_models, and a hyperparameter that is not named keeps its default (models.tf)."
  type = object({
    environment     = optional(map(string), {})
    hyperparameters = optional(map(string), {})
    image           = optional(string)
    instance = optional(object({
      count     = optional(number, 1)
      type      = optional(string, "ml.g5.xlarge")
      volume_gb = optional(number, 30)
    }), {})
    max_runtime = optional(number, 14400)
    metrics     = optional(set(string), ["train_loss", "validation_accuracy"])
    script      = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^ml\\.", var.sequence_model.instance.type))
    error_message = "sequence_model.instance.type must be one of SageMaker's: it starts with ml., for example ml.g5.xlarge."
  }
  validation {
    condition     = var.sequence_model.max_runtime >= 60 && var.sequence_model.max_runtime <= 2419200
    error_message = "sequence_model.max_runtime is in seconds: use 60 to 2419200 (28 days, SageMaker's limit)."
  }
}

variable "storage" {
  description = <<-EOT
    The bucket. With `force_destroy`, destroy deletes it with everything in it, data and models included. What is deleted or
    overwritten can be brought back (`opsctl cleanup --undo`) for `noncurrent_days`, and is paid for as long.
    `bulk_concurrency` is how many batches of 1,000 objects the machine `bulk` works on at a time: about 8 reach the 3,500
    writes a second that S3 takes below one prefix, and each takes one of the account's concurrent Lambda calls.
    Below runs/ may delete, whatever other policies allow, only the pipeline's own roles, `operator_role_arns` (who runs
    `opsctl cleanup`) and `admin_role_arns`; these are roles or users, `*` in them stands for anything, and administrators
    are by default whoever applies. Name them where more than one person or CI applies, or each apply changes the policy.
  EOT
  type = object({
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
