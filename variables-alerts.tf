variable "alarms" {
  description = <<-EOT
    CloudWatch alarms by kind, told to the topic of failures; null switches one off, and what is not named keeps its default.
    For each machine: `failures`, runs without success within an hour (default 3: each one alone sends its own alert);
    `throttles`, transitions held back within five minutes (1); `longer_than_usual`, how many standard deviations above its
    usual p95 a run's time may lie (3; CloudWatch learns it from two weeks); `longer_than_minutes`, a time of your own
    (null); `days_without_success` (null), 1 to 90; above 7 a function measures it every hour, for CloudWatch looks back no
    further. For the deployment: `dead_letters`, messages that could not be delivered (1). A machine's own are in `definitions`. A run's time is known when it has ended.
  EOT
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.alarms), keys(local.default_alarms))) == 0
    error_message = "A key of alarms must be one of ${join(", ", keys(local.default_alarms))}."
  }
  validation {
    condition     = alltrue([for kind, threshold in var.alarms : threshold == null || try(threshold > 0, false)])
    error_message = "A threshold in alarms must be above 0; null switches the alarm off."
  }
  validation {
    condition     = alltrue([for kind, threshold in var.alarms : threshold == null || kind != "days_without_success" || contains(range(1, 91), coalesce(threshold, 0))])
    error_message = "alarms.days_without_success must be a whole number from 1 to 90: Step Functions forgets runs 90 days after their end."
  }
}

variable "notifications" {
  description = <<-EOT
    Who is told. There are three topics: `failures` (one message for each failed attempt of a run, and the alarms),
    `approvals` and `successes`. `emails` are subscribed to failures and approvals, and each must confirm once per topic.
    `subscriptions`, by a name of one's own, are everybody else, and addresses that want it otherwise: `protocol` is email,
    https (the endpoint must confirm) or lambda (an ARN; the permission to call it is made); `topics` default to failures.
    `filter_policy`, JSON, narrows what is delivered by the message attributes machine, run, step, status and kind (failure,
    approval, success, not-deployed), or, with the scope MessageBody, by the message's own fields. Alarms'
    messages carry no attributes.
    `runbooks_url` is where people read docs/runbooks, as https://github.com/me/pipeline/blob/main/docs/runbooks/: alerts name
    the page that fits.
  EOT
  type = object({
    emails       = optional(set(string), [])
    runbooks_url = optional(string, "docs/runbooks/")
    subscriptions = optional(map(object({
      endpoint            = string
      filter_policy       = optional(string)
      filter_policy_scope = optional(string, "MessageAttributes")
      protocol            = string
      topics              = optional(set(string), ["failures"])
    })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for email in var.notifications.emails : can(regex("^[^@\\s,;<>]+@([^@\\s.,;<>]+\\.)+[^@\\s.,;<>]+$", email))])
    error_message = "notifications.emails must hold addresses such as oncall@example.com."
  }
  validation {
    condition     = endswith(var.notifications.runbooks_url, "/")
    error_message = "notifications.runbooks_url must end in /, as https://github.com/me/pipeline/blob/main/docs/runbooks/."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : contains(["email", "https", "lambda"], one.protocol)])
    error_message = "The protocol of an entry in notifications.subscriptions must be email, https or lambda."
  }
  validation {
    condition = alltrue([for one in var.notifications.subscriptions : can(regex({
      email  = "^[^@\\s,;<>]+@([^@\\s.,;<>]+\\.)+[^@\\s.,;<>]+$"
      https  = "^https://[^/\\s]+"
      lambda = "^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?$"
    }[one.protocol], one.endpoint)) || !contains(["email", "https", "lambda"], one.protocol)])
    error_message = "An endpoint in notifications.subscriptions must fit its protocol: oncall@example.com for email, https://hooks.example.com/… for https, the ARN of a function, or of a version or alias of it, for lambda."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : length(one.topics) > 0 && length(setsubtract(one.topics, ["approvals", "failures", "successes"])) == 0])
    error_message = "topics in notifications.subscriptions must name at least one of approvals, failures and successes."
  }
  validation {
    # An address of `emails` stands back for a subscription of its name.
    condition = alltrue([
      for ends in [concat(
        flatten([for email in setsubtract(var.notifications.emails, keys(var.notifications.subscriptions)) : ["approvals email ${email}", "failures email ${email}"]]),
        flatten([for one in var.notifications.subscriptions : [for topic in one.topics : "${topic} ${one.protocol} ${one.endpoint}"]]),
      )] : length(ends) == length(distinct(ends))
    ])
    error_message = "notifications tells an endpoint of one topic twice, and SNS knows it once: leave it out of emails, or out of one of the subscriptions."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : one.filter_policy == null || can(keys(jsondecode(one.filter_policy)))])
    error_message = "A filter_policy in notifications.subscriptions must be a JSON object, for example jsonencode({ machine = [\"documents-training\"] })."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : contains(["MessageAttributes", "MessageBody"], one.filter_policy_scope)])
    error_message = "filter_policy_scope in notifications.subscriptions must be MessageAttributes or MessageBody."
  }
}
