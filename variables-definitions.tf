variable "definitions" {
  description = <<-EOT
    Settings by definition, under the stem of its file (`training` for training.asl.json.tftpl); null leaves a shipped
    definition out, and where training is left out, inference is too, unless it is named. `on_failure`: with `caught`, states catch their failures and report them themselves (a rerun helps);
    with `redrivable`, the steps on the top level leave them to the rule on the execution's status, so that AWS's redrive
    resumes the step. Inside a Parallel both catch, for the sake of its other branches. `status_rule = false` goes without
    that rule, and then every failure must be caught. `variables` are for the template, beside those that it is given
    (definitions/README.md). `policies` are, by the name of a state, documents (JSON) of what the machine's role must allow
    for it, where that cannot be derived from the definition. `alarms` are the machine's own, over those of the variable alarms.
  EOT
  type = map(object({
    alarms      = optional(map(number), {})
    on_failure  = optional(string, "caught")
    policies    = optional(map(string), {})
    status_rule = optional(bool, true)
    variables   = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for stem in keys(var.definitions) : contains(local._definition_stems, stem)])
    error_message = "A key of definitions must be the stem of a definition's file, which are: ${join(", ", local._definition_stems)}."
  }
  validation {
    condition     = alltrue([for definition in var.definitions : length(setsubtract(keys(try(definition.alarms, {})), keys(local.machine_alarms))) == 0])
    error_message = "A key of alarms in definitions must be one of ${join(", ", keys(local.machine_alarms))}."
  }
  validation {
    condition = alltrue(flatten([for definition in var.definitions : [
      for kind, threshold in try(definition.alarms, {}) : threshold == null || try(kind == "days_without_success" ? contains(range(1, 91), threshold) : threshold > 0, false)
    ]]))
    error_message = "A threshold in definitions.….alarms must be above 0, for days_without_success a whole number from 1 to 90; null switches the alarm off."
  }
  validation {
    condition     = alltrue([for definition in var.definitions : try(contains(["caught", "redrivable"], definition.on_failure), definition == null)])
    error_message = "on_failure in definitions must be caught or redrivable."
  }
}

variable "definitions_dir" {
  description = <<-EOT
    Folder with state machines of your own, beside the shipped ones (definitions/): each `<stem>.asl.json.tftpl` (a template)
    or `<stem>.asl.json` becomes the machine `<name>-<stem>`, with its own role, logs and alerts. A file with the stem of a
    shipped definition takes its place. Begin the path with path.module: it then holds wherever Terraform is run.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.definitions_dir == null || try(length(fileset(var.definitions_dir, "*.asl.{json,json.tftpl}")) > 0, false)
    error_message = "definitions_dir holds no definition: put a file that ends in .asl.json or .asl.json.tftpl into ${coalesce(var.definitions_dir, "it")}, or leave definitions_dir out for the shipped definitions alone."
  }
  validation {
    condition     = alltrue([for file in try(fileset(var.definitions_dir, "*.asl.json"), []) : !fileexists("${var.definitions_dir}/${file}.tftpl")])
    error_message = "definitions_dir must have one file for each machine: of <stem>.asl.json and <stem>.asl.json.tftpl, remove one."
  }
  validation {
    condition = alltrue([
      for file in try(fileset(var.definitions_dir, "*.asl.{json,json.tftpl}"), []) :
      can(regex("^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*\\.asl\\.json(\\.tftpl)?$", file)) && length("${var.name}-${split(".", file)[0]}") <= 57
    ])
    error_message = "The name of a file in definitions_dir becomes part of AWS's names: in front of .asl.json, use letters, digits and single hyphens or underscores, and at most ${56 - length(var.name)} characters."
  }
  validation {
    condition = alltrue([
      for file in try(fileset(var.definitions_dir, "*.asl.{json,json.tftpl}"), []) :
      !contains(concat(["batch-execution", "batch-instance", "batch-job", "endpoint", "scheduler", "training-job", "transform-job"], [for key in local.functions : replace(key, "_", "-")]), lower(split(".", file)[0]))
    ])
    error_message = "The name of a file in definitions_dir becomes a role's name, and batch-execution, batch-instance, batch-job, endpoint, scheduler, training-job, transform-job and the functions' names (such as prepare-run) are taken by the module's own: choose another one."
  }
  validation {
    # Of the files of both folders.
    condition = alltrue([
      for stems in [distinct([for file in concat(tolist(fileset("${path.module}/definitions", "*.asl.{json,json.tftpl}")), tolist(try(fileset(var.definitions_dir, "*.asl.{json,json.tftpl}"), []))) : split(".", file)[0]])] :
      length(stems) == length(distinct([for stem in stems : lower(stem)]))
    ])
    error_message = "The name of a file in definitions_dir differs from that of another definition, or of a shipped one, by capitals alone, and IAM takes the two names of their roles for one: choose another one, or write it as the shipped one whose place it is to take."
  }
}
