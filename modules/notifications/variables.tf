variable "emails" {
  description = "Addresses to tell of failures and approvals."
  type        = set(string)
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the topics' and the queue's names begin with."
  type        = string
  nullable    = false
}

variable "subscriptions" {
  description = "Subscribers by a name of one's own: protocol (email, https, lambda), endpoint, topics, and what they filter by."
  type = map(object({
    endpoint            = string
    filter_policy       = string
    filter_policy_scope = string
    protocol            = string
    topics              = set(string)
  }))
  nullable = false
}
