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
    `spot`, `max_wait` (seconds, waiting and running together), `warm_pool_seconds`, `network_isolation` and
    `encrypt_traffic` are explained at `training`, which says them for all jobs; `vpc = false` trains outside of `network`.
    `compute` is sagemaker (the default) or activity: then the model trains on a machine of yours, which needs nothing but
    outbound HTTPS and asks for its tasks with `opsctl worker` (docs/worker.md). The module makes the activity
    `<name>-train-<key>-model`; only `environment`, `hyperparameters`, `max_runtime` and `script` then have a meaning, and
    `heartbeat`, the seconds (default: 120) without a sign of life after which the task goes to the next worker.
  EOT
  type = map(object({
    compute         = optional(string, "sagemaker")
    encrypt_traffic = optional(bool)
    environment     = optional(map(string))
    heartbeat       = optional(number)
    hyperparameters = optional(map(string))
    image           = optional(string)
    instance = optional(object({
      count     = optional(number)
      type      = optional(string)
      volume_gb = optional(number)
    }))
    max_runtime       = optional(number)
    max_wait          = optional(number)
    metrics           = optional(set(string))
    network_isolation = optional(bool)
    script            = optional(string)
    spot              = optional(bool)
    vpc               = optional(bool)
    warm_pool_seconds = optional(number)
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
    condition     = alltrue([for key in keys(var.base_models) : !contains(["average", "champion", "code", "data", "evaluate", "sequence", "sequence_model"], key)])
    error_message = "average, champion, code, data, evaluate, sequence and sequence_model are taken by other channels, jobs and figures: choose another key in base_models."
  }
  validation {
    condition     = alltrue([for model in var.base_models : can(regex(local.instance_type, model.instance.type)) || try(model.instance.type, null) == null])
    error_message = "An instance type in base_models must be one of SageMaker's: ml., a family and a size, for example ml.g5.xlarge."
  }
  validation {
    condition     = alltrue([for model in var.base_models : try(model.max_runtime >= 60 && model.max_runtime <= 2419200 && floor(model.max_runtime) == model.max_runtime, true)])
    error_message = "max_runtime in base_models is in seconds: use a whole number from 60 to 2419200 (28 days, SageMaker's limit)."
  }
  validation {
    condition     = alltrue([for model in var.base_models : contains(["activity", "sagemaker"], try(coalesce(model.compute), "sagemaker"))])
    error_message = "compute in base_models must be sagemaker, or activity for a machine of yours that asks for its work (docs/worker.md). Which of SageMaker's instances is said by `instance`, and where Batch jobs run by compute_environments."
  }
  validation {
    condition = alltrue([for model in var.base_models : try(model.compute != "activity" || (
      model.encrypt_traffic == null && model.image == null && model.instance == null && model.max_wait == null && model.metrics == null
      && model.network_isolation == null && model.spot == null && model.vpc == null && model.warm_pool_seconds == null
    ), true)])
    error_message = "A base model with compute = \"activity\" trains on a machine of yours, not on SageMaker's: leave encrypt_traffic, image, instance, max_wait, metrics, network_isolation, spot, vpc and warm_pool_seconds out of its entry."
  }
  validation {
    condition     = alltrue([for model in var.base_models : try(model.heartbeat == null || (model.compute == "activity" && model.heartbeat >= 10 && model.heartbeat <= 3600 && floor(model.heartbeat) == model.heartbeat), true)])
    error_message = "heartbeat in base_models must be a whole number of seconds from 10 to 3600, beside compute = \"activity\": twice to four times the --heartbeat of opsctl worker, which is 30 s."
  }
}

variable "evaluate" {
  description = "The job that measures the models on held-out stacks; the fields are those of base_models. `metrics` default to each model's page accuracy. What it measures of the whole ensemble and of the champion is what the gate compares (`champion`)."
  type = object({
    compute         = optional(string, "sagemaker")
    encrypt_traffic = optional(bool)
    environment     = optional(map(string), {})
    hyperparameters = optional(map(string), {})
    image           = optional(string)
    instance = optional(object({
      count     = optional(number, 1)
      type      = optional(string, "ml.m5.xlarge")
      volume_gb = optional(number, 30)
    }), {})
    max_runtime       = optional(number, 3600)
    max_wait          = optional(number)
    metrics           = optional(set(string))
    network_isolation = optional(bool)
    script            = optional(string)
    spot              = optional(bool)
    vpc               = optional(bool)
    warm_pool_seconds = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex(local.instance_type, var.evaluate.instance.type))
    error_message = "evaluate.instance.type must be one of SageMaker's: ml., a family and a size, for example ml.m5.xlarge."
  }
  validation {
    condition     = var.evaluate.max_runtime >= 60 && var.evaluate.max_runtime <= 2419200 && floor(var.evaluate.max_runtime) == var.evaluate.max_runtime
    error_message = "evaluate.max_runtime is in seconds: use a whole number from 60 to 2419200 (28 days, SageMaker's limit)."
  }
  validation {
    condition     = contains(["sagemaker"], var.evaluate.compute)
    error_message = "evaluate.compute must be sagemaker: leave it out. Which instances is said by `instance`, and where Batch jobs run by compute_environments."
  }
}

variable "sequence_model" {
  description = "The model on top of the base models, which learns the order of pages; the fields are those of base_models, and a hyperparameter that is not named keeps its default (models.tf)."
  type = object({
    compute         = optional(string, "sagemaker")
    encrypt_traffic = optional(bool)
    environment     = optional(map(string), {})
    hyperparameters = optional(map(string), {})
    image           = optional(string)
    instance = optional(object({
      count     = optional(number, 1)
      type      = optional(string, "ml.g5.xlarge")
      volume_gb = optional(number, 30)
    }), {})
    max_runtime       = optional(number, 14400)
    max_wait          = optional(number)
    metrics           = optional(set(string), ["train_loss", "validation_accuracy"])
    network_isolation = optional(bool)
    script            = optional(string)
    spot              = optional(bool)
    vpc               = optional(bool)
    warm_pool_seconds = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex(local.instance_type, var.sequence_model.instance.type))
    error_message = "sequence_model.instance.type must be one of SageMaker's: ml., a family and a size, for example ml.g5.xlarge."
  }
  validation {
    condition     = var.sequence_model.max_runtime >= 60 && var.sequence_model.max_runtime <= 2419200 && floor(var.sequence_model.max_runtime) == var.sequence_model.max_runtime
    error_message = "sequence_model.max_runtime is in seconds: use a whole number from 60 to 2419200 (28 days, SageMaker's limit)."
  }
  validation {
    condition     = contains(["sagemaker"], var.sequence_model.compute)
    error_message = "sequence_model.compute must be sagemaker: leave it out. Which instances is said by `instance`, and where Batch jobs run by compute_environments."
  }
}
