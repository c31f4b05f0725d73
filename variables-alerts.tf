variable "notifications" {
  description = <<-EOT
    Who is told. There are three topics: `failures` (one message for each failed attempt of a run, and the alarms),
    `approvals` and `successes`. `emails` are subscribed to failures and approvals, and each must confirm once per topic.
    `subscriptions`, by a name of one's own, are everybody else, and addresses that want it otherwise: `protocol` is email,
    https (the endpoint must confirm) or lambda (an ARN; the permission to call it is made); `topics` default to failures.
    `filter_policy`, JSON, narrows what is delivered by the message attributes machine, run, step, status and kind (failure,
    approval, success), or, with the scope MessageBody, by the message's own fields. Alarms' messages carry no attributes.
  EOT
  type = object({
    emails = optional(set(string), [])
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
    condition     = alltrue([for email in var.notifications.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "notifications.emails must hold addresses such as oncall@example.com."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : contains(["email", "https", "lambda"], one.protocol)])
    error_message = "The protocol of an entry in notifications.subscriptions must be email, https or lambda."
  }
  validation {
    condition = alltrue([for one in var.notifications.subscriptions : can(regex({
      email  = "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$"
      https  = "^https://[^/\\s]+"
      lambda = "^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?$"
    }[one.protocol], one.endpoint)) || !contains(["email", "https", "lambda"], one.protocol)])
    error_message = "An endpoint in notifications.subscriptions must fit its protocol: oncall@example.com for email, https://hooks.example.com/… for https, a function's ARN for lambda."
  }
  validation {
    condition     = alltrue([for one in var.notifications.subscriptions : length(one.topics) > 0 && length(setsubtract(one.topics, ["approvals", "failures", "successes"])) == 0])
    error_message = "topics in notifications.subscriptions must name at least one of approvals, failures and successes."
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
