# Which alarms there are, unless var.alarms or a definition's own say otherwise; null is no alarm.

locals {
  default_alarms = {
    days_without_success = null
    dead_letters         = 1
    failures             = 3
    longer_than_minutes  = null
    longer_than_usual    = 3
    throttles            = 1
  }

  alarms         = merge(local.default_alarms, var.alarms)
  machine_alarms = { for kind, threshold in local.default_alarms : kind => threshold if kind != "dead_letters" }
}
