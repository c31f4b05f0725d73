data "aws_region" "current" {}

locals {
  _region = data.aws_region.current.name

  # Two graphs side by side for each machine, then what they share.
  _graphs = concat(
    flatten([for machine in values(var.machines) : [
      {
        title   = "${machine.name}: runs by outcome"
        stacked = true
        stat    = "Sum"
        metrics = [for outcome in ["Succeeded", "Failed", "TimedOut", "Aborted"] : ["AWS/States", "Executions${outcome}", "StateMachineArn", machine.arn, { label = outcome }]]
      },
      {
        title   = "${machine.name}: how long runs took (ms)"
        stacked = false
        stat    = "p95"
        metrics = [for stat in ["p50", "p95", "Maximum"] : ["AWS/States", "ExecutionTime", "StateMachineArn", machine.arn, { label = stat, stat = stat }]]
      },
    ]]),
    [
      {
        title   = "Functions: errors and throttles"
        stacked = false
        stat    = "Sum"
        metrics = flatten([for name in var.functions : [for metric in ["Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", name, { label = "${name} ${metric}" }]]])
      },
      {
        title   = "Messages that could not be delivered"
        stacked = false
        stat    = "Maximum"
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letters.queue, { label = "dead letters" }]]
      },
      {
        title   = "Batch queues: jobs that became ready, and that began" # the gap between the two is what waits
        stacked = false
        stat    = "Sum"
        metrics = flatten([for name in var.job_queues : [for metric in ["JobsMovedToRunnable", "JobsMovedToStarting"] : ["AWS/Batch", metric, "JobQueueName", name, { label = "${name} ${metric}" }]]])
      },
      {
        title   = "Batch queues: how long jobs waited (ms)"
        stacked = false
        stat    = "Maximum"
        metrics = [for name in var.job_queues : ["AWS/Batch", "JobAttemptRunnableToStartingDuration", "JobQueueName", name, { label = name }]]
      },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for index, graph in local._graphs : {
      type   = "metric"
      x      = index % 2 * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = {
        title   = graph.title
        region  = local._region
        view    = "timeSeries"
        stacked = graph.stacked
        stat    = graph.stat
        period  = 3600
        metrics = graph.metrics
      }
    }]
  })
}
