output "alerts" {
  description = "Where alerts go and are looked at: the topics, the alarms, the dashboard, the queue for what could not be delivered."
  value = {
    alarms       = module.alarms.names
    dashboard    = module.alarms.dashboard
    dead_letters = module.notifications.dead_letters.url
    topics       = module.notifications.topic_arns
  }
}
