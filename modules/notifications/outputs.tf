output "dead_letters" {
  description = "The queue for what could not be delivered, once it may be sent to."
  value       = { arn = aws_sqs_queue.dead_letters.arn, name = aws_sqs_queue.dead_letters.name, url = aws_sqs_queue.dead_letters.url }
  depends_on  = [aws_sqs_queue_policy.dead_letters]
}

output "permissions" {
  description = "What subscribed functions allow, by topic and subscriber."
  value       = aws_lambda_permission.subscribers
}

output "subscriptions" {
  description = "Who is subscribed, by topic and subscriber."
  value       = aws_sns_topic_subscription.this
}

output "topic_arns" {
  description = "ARN of each topic by what it tells: approvals, failures, successes."
  value       = { for key, topic in aws_sns_topic.this : key => topic.arn }
  depends_on  = [aws_sns_topic_policy.this]
}
