"""How long AWS lets names be, and the names that a plan would make."""

# By kind of resource, the attribute that is its name and the most characters that its service's API reference allows.
LIMITS = {
    "aws_batch_compute_environment": ("compute_environment_name", 128),
    "aws_batch_job_definition": ("name", 128),
    "aws_batch_job_queue": ("name", 128),
    "aws_cloudwatch_dashboard": ("dashboard_name", 255),
    "aws_cloudwatch_event_rule": ("name", 64),
    "aws_cloudwatch_log_group": ("name", 512),
    "aws_cloudwatch_metric_alarm": ("alarm_name", 255),
    "aws_cloudwatch_composite_alarm": ("alarm_name", 255),
    "aws_iam_instance_profile": ("name", 128),
    "aws_iam_policy": ("name", 128),
    "aws_iam_role": ("name", 64),
    "aws_iam_role_policy": ("name", 128),
    "aws_kms_alias": ("name", 256),
    "aws_lambda_function": ("function_name", 64),
    "aws_lambda_permission": ("statement_id", 100),
    "aws_launch_template": ("name", 128),
    "aws_s3_bucket": ("bucket", 63),
    "aws_scheduler_schedule": ("name", 64),
    "aws_scheduler_schedule_group": ("name", 64),
    "aws_security_group": ("name", 255),
    "aws_sfn_alias": ("name", 80),
    "aws_sfn_state_machine": ("name", 80),
    "aws_sns_topic": ("name", 256),
    "aws_sqs_queue": ("name", 80),
}
# Kinds that have no name of their own: they belong to something that has one.
NAMELESS = {
    "aws_cloudwatch_event_target",
    "aws_dynamodb_table_item",
    "aws_iam_role_policy_attachment",
    "aws_iam_service_linked_role",
    "aws_kms_key",
    "aws_lambda_alias",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_invocation",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_logging",
    "aws_s3_bucket_notification",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
    "aws_s3_object",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
    "aws_sqs_queue_policy",
    "aws_vpc_endpoint",
    "terraform_data",
}


def too_long(resources):
    """Of planned resources (kind, values), the names that AWS would refuse, and kinds that nobody knows a limit for."""
    problems = []
    for kind, values in resources:
        if kind in NAMELESS:
            continue
        attribute, limit = LIMITS.get(kind, (None, 0))
        name = values.get(attribute) if attribute else f"a {kind}, whose limit is not known: add it to names.py"
        if name is not None and len(name) > limit:
            problems.append(f"{kind} {name} has {len(name)} characters, {limit} are allowed")
    return problems
