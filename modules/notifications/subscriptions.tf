locals {
  _by_email = { for email in var.emails : email => {
    endpoint            = email
    filter_policy       = null
    filter_policy_scope = null
    protocol            = "email"
    topics              = toset(["approvals", "failures"])
  } }

  # One for each topic that somebody is subscribed to: `failures/oncall@example.com`.
  _subscriptions = merge([for name, one in merge(local._by_email, var.subscriptions) : {
    for topic in one.topics : "${topic}/${name}" => merge(one, { topic = topic })
  }]...)

  # `arn:aws:lambda:<region>:<account>:function:<name>[:<version or alias>]`
  _functions = { for key, one in local._subscriptions : key => merge(one, { words = split(":", one.endpoint) }) if one.protocol == "lambda" }
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local._subscriptions

  topic_arn           = aws_sns_topic.this[each.value.topic].arn
  protocol            = each.value.protocol
  endpoint            = each.value.endpoint
  filter_policy       = each.value.filter_policy
  filter_policy_scope = each.value.filter_policy == null ? null : each.value.filter_policy_scope
  redrive_policy      = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn })

  depends_on = [aws_lambda_permission.subscribers, aws_sqs_queue_policy.dead_letters]
}

resource "aws_lambda_permission" "subscribers" {
  for_each = local._functions

  statement_id  = "${var.name}-${each.value.topic}"
  action        = "lambda:InvokeFunction"
  function_name = join(":", slice(each.value.words, 0, 7))
  qualifier     = length(each.value.words) > 7 ? each.value.words[7] : null
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.this[each.value.topic].arn
}
