variable "dead_letters" {
  description = "The queue for what could not be delivered, and how many messages in it are an alarm; null for none."
  type = object({
    arn       = string
    queue     = string
    threshold = number
  })
  nullable = false
}

variable "functions" {
  description = "Names of the functions that the dashboard shows."
  type        = list(string)
  nullable    = false
}

variable "job_queues" {
  description = "Names of the Batch queues that the dashboard shows."
  type        = list(string)
  nullable    = false
}

variable "machines" {
  description = "The state machines by a key of one's own, with the threshold of each alarm; null for none."
  type = map(object({
    arn  = string
    name = string
    thresholds = object({
      days_without_success = number
      failures             = number
      longer_than_minutes  = number
      longer_than_usual    = number
      throttles            = number
    })
  }))
  nullable = false
}

variable "measure" {
  description = "The function that measures how many days ago a run succeeded, and the keys of the machines for which it does; null for none."
  type = object({
    function_arn = string
    machines     = list(string)
  })
  default = null
}

variable "name" {
  description = "Name of the dashboard, and what the names of alarms that are no machine's begin with."
  type        = string
  nullable    = false
}

variable "runbooks_url" {
  description = "What the names of runbooks stand behind in alarms."
  type        = string
  nullable    = false
}

variable "topic_arn" {
  description = "Topic that alarms are told to."
  type        = string
  nullable    = false
}
