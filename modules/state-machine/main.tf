resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_284:A run's history, kept for 90 days and logged, says what a trace would; traces sample, histories do not.
  name       = var.name
  role_arn   = aws_iam_role.this.arn
  definition = var.definition
  publish    = true

  logging_configuration {
    include_execution_data = true
    level                  = var.logs.level
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  # Step Functions tries the role when a machine is made or changed, and Terraform retries only the first of the two.
  depends_on = [aws_iam_role_policy.this, var.after]
}
