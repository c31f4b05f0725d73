variable "triggers" {
  description = <<-EOT
    What starts runs without a person; null, the default of both, means nothing does (docs/triggers.md).
    `data` starts a run when an object arrives whose key matches one of `patterns`, where `*` stands for any characters,
    slashes too: the marker `_READY` that is written last, or any object below datasets/. The run's `data.source` is the
    folder that the object lies in. `schedule` starts one when `expression` says so: `cron(0 2 * * ? *)`, `rate(1 day)` or
    `at(2026-12-24T02:00:00)`, read in the time zone `timezone` (an IANA name, with its daylight saving), from `start` to
    `end` (UTC, such as 2026-12-01T00:00:00Z), at any minute of `flexible_minutes` after it. A call that fails is tried
    `retry.attempts` times more, for at most `retry.max_age` seconds.
    Both: `machine` is the key of the machine that is started, `input` what the run is started with besides (an object, as
    for `opsctl start`). `while_running = "skip"` starts nothing as long as a run of the machine goes on, whoever started it:
    the newest data of each folder then starts its run when that one ends, a schedule's moment passes; "parallel" starts
    runs side by side.
  EOT
  type = object({
    data = optional(object({
      input         = optional(any, {}) # whatever the machine's runs take
      machine       = optional(string, "training")
      patterns      = optional(list(string), ["datasets/*/_READY"])
      while_running = optional(string, "skip")
    }))
    schedule = optional(object({
      end              = optional(string)
      expression       = string
      flexible_minutes = optional(number, 0)
      input            = optional(any, {})
      machine          = optional(string, "training")
      retry            = optional(object({ attempts = optional(number, 10), max_age = optional(number, 3600) }), {})
      start            = optional(string)
      timezone         = optional(string, "UTC")
      while_running    = optional(string, "skip")
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.triggers.data == null || try(length(var.triggers.data.patterns) > 0 && length(jsonencode(var.triggers.data.patterns)) <= 1500, false)
    error_message = "triggers.data.patterns must hold at least one pattern, and 1500 characters at most (EventBridge's limit for a rule): for example datasets/*/_READY. To start no run for data, set triggers.data to null."
  }
  validation {
    condition     = alltrue([for pattern in try(var.triggers.data.patterns, []) : can(regex("^datasets/[^/]+/.+$", pattern))])
    error_message = "triggers.data.patterns must begin with datasets/, a folder and a slash, for example datasets/*/_READY: runs write below runs/ and code/, and a pattern that matches there would let each run start the next."
  }
  validation {
    condition     = alltrue([for pattern in try(var.triggers.data.patterns, []) : !strcontains(pattern, "**")])
    error_message = "triggers.data.patterns must not hold ** (EventBridge refuses it): one * stands for any characters, slashes too."
  }
  validation {
    condition     = alltrue([for trigger in [var.triggers.data, var.triggers.schedule] : try(contains(["parallel", "skip"], trigger.while_running), trigger == null)])
    error_message = "while_running in triggers must be skip (one run at a time) or parallel."
  }
  validation {
    condition     = alltrue([for trigger in [var.triggers.data, var.triggers.schedule] : try(contains(setsubtract(keys(local.machines), ["bulk"]), trigger.machine), trigger == null)])
    error_message = "machine in triggers must be the key of a machine of this module that trains, for example training: ${join(", ", setsubtract(keys(local.machines), ["bulk"]))}."
  }
  validation {
    condition     = alltrue([for trigger in [var.triggers.data, var.triggers.schedule] : trigger == null || (can(keys(trigger.input)) && length(jsonencode(try(trigger.input, {}))) <= 1000)])
    error_message = "input in triggers must be an object of at most 1000 characters as JSON (a function's variables have room for no more), for example { hyperparameters = { text_model = { epochs = 12 } } }."
  }
  validation {
    condition     = !can(var.triggers.data.input.data.source)
    error_message = "triggers.data.input must not hold data.source: it is the folder in which the data has arrived."
  }
  validation {
    condition     = var.triggers.schedule == null || can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^ )]+ [^ )]+ (\\? [^ )]+ [^ ?)]+|[^ ?)]+ [^ )]+ \\?) [^ )]+\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\))$", var.triggers.schedule.expression))
    error_message = "triggers.schedule.expression must be rate(<number> minutes|hours|days), cron() with six fields (minute hour day-of-month month day-of-week year, one of the days a ?) or at(): for example cron(0 2 * * ? *), rate(1 day), at(2026-12-24T02:00:00)."
  }
  validation {
    condition     = var.triggers.schedule == null || can(regex("^[A-Za-z]+([/_+-][A-Za-z0-9]+)*$", var.triggers.schedule.timezone))
    error_message = "triggers.schedule.timezone must be the name of a time zone such as UTC or Europe/Berlin."
  }
  validation {
    condition     = var.triggers.schedule == null || try(var.triggers.schedule.flexible_minutes >= 0 && var.triggers.schedule.flexible_minutes <= 1440 && floor(var.triggers.schedule.flexible_minutes) == var.triggers.schedule.flexible_minutes, false)
    error_message = "triggers.schedule.flexible_minutes must be a whole number of minutes from 0 (to the minute) to 1440."
  }
  validation {
    condition     = alltrue([for time in [try(var.triggers.schedule.start, null), try(var.triggers.schedule.end, null)] : time == null || can(formatdate("YYYY", time))])
    error_message = "start and end of triggers.schedule must be times such as 2026-12-01T00:00:00Z, or null."
  }
  validation {
    condition     = try(timecmp(var.triggers.schedule.start, var.triggers.schedule.end) < 0, true)
    error_message = "triggers.schedule.end must come after triggers.schedule.start."
  }
  validation {
    condition     = var.triggers.schedule == null || try(contains(range(186), var.triggers.schedule.retry.attempts) && var.triggers.schedule.retry.max_age >= 60 && var.triggers.schedule.retry.max_age <= 86400, false)
    error_message = "triggers.schedule.retry: attempts is a whole number from 0 to 185, max_age 60 to 86400 seconds."
  }
}
