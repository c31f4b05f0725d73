# What else a definition calls by the AWS SDK's integrations (arn:aws:states:::aws-sdk:<service>:<action>). The permission has
# the action's name, with a capital, under IAM's prefix of the service; its resources are the ARNs that stand in the state,
# and what it names, of services whose names are known here. Where nothing stands there, nothing narrow can be derived.
# https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html

locals {
  # Services are called as the SDK for Java calls them; here, where IAM's prefix is another one.
  _prefixes = {
    applicationautoscaling    = "application-autoscaling"
    bedrockagent              = "bedrock"
    bedrockagentruntime       = "bedrock"
    bedrockruntime            = "bedrock"
    cloudwatchlogs            = "logs"
    cognitoidentityprovider   = "cognito-idp"
    databasemigration         = "dms"
    efs                       = "elasticfilesystem"
    elasticloadbalancingv2    = "elasticloadbalancing"
    emr                       = "elasticmapreduce"
    emrserverless             = "emr-serverless"
    iotdataplane              = "iot"
    opensearch                = "es"
    redshiftdata              = "redshift-data"
    sagemakerruntime          = "sagemaker"
    servicecatalogappregistry = "servicecatalog"
    sesv2                     = "ses"
    sfn                       = "states"
  }

  # Their permissions are not named as their API is.
  _named_otherwise = "^aws-sdk:(apigateway:|bedrockruntime:converse|dynamodb:(execute|batchExecute)|s3:|s3control:)"

  # How the resources are called that a field names.
  _sdk_names = {
    athena    = { WorkGroup = "workgroup/%s" }
    codebuild = { ProjectName = "project/%s" }
    dynamodb  = { TableName = "table/%s" }
    ecr       = { RepositoryName = "repository/%s" }
    firehose  = { DeliveryStreamName = "deliverystream/%s" }
    glue      = { JobName = "job/%s" }
    kinesis   = { StreamName = "stream/%s" }
    lambda    = { FunctionName = "function:%s" }
    sagemaker = {
      EndpointConfigName    = "endpoint-config/%s"
      EndpointName          = "endpoint/%s"
      ModelName             = "model/%s"
      ModelPackageGroupName = "model-package-group/%s"
      PipelineName          = "pipeline/%s"
      ProcessingJobName     = "processing-job/%s"
      TrainingJobName       = "training-job/%s"
      TransformJobName      = "transform-job/%s"
    }
  }

  _sdk = { for name, call in local.calls : name => merge(
    { prefix = lookup(local._prefixes, split(":", call.service)[1], split(":", call.service)[1]), action = split(":", call.service)[2] },
    { asks = try({ for field, value in local._asks[name] : trimsuffix(field, ".$") => endswith(field, ".$") || can(regex("^\\s*\\{%", value)) ? null : value }, {}) },
  ) if call.role == null && can(regex("^aws-sdk:[a-z0-9]+:[a-zA-Z0-9]+$", call.service)) && !contains(keys(local._fields), call.service) && !can(regex(local._named_otherwise, call.service)) }

  _sdk_resources = { for name, call in local._sdk : name => distinct(concat(
    [for value in values(call.asks) : value if can(regex("^arn:[^:]*:${call.prefix}:", value))],
    [for field, form in try(local._sdk_names[call.prefix], {}) : "${local._arn}:${call.prefix}:${local._here}:${format(form, local.calls[name].named[field])}"
    if contains(keys(call.asks), field) && !can(regex("^arn:", call.asks[field]))],
  )) }

  # What a run alone knows: ARNs, and names of which no part stands there; and roles, handed on to whom is not said.
  _sdk_unsaid = { for name, call in local._sdk : name => [for field, value in call.asks : field if try(
    endswith(field, "Arn") && value == null, false) || try(local._sdk_names[call.prefix][field] != null && local.calls[name].named[field] == "*", false)
  ] }
  _sdk_roles = { for name, call in local._sdk : name => [for field in keys(call.asks) : field if can(regex("Role(Arn)?$", field))] }

  _sdk_problems = merge(
    { for name, call in local.calls : name => "the permissions for ${call.service} are not named as it is" if can(regex(local._named_otherwise, call.service)) },
    { for name, call in local._sdk : name => "the definition does not say what is called (${join(", ", local._sdk_unsaid[name])})" if length(local._sdk_unsaid[name]) > 0 },
    { for name, call in local._sdk : name => "it hands on a role (${join(", ", local._sdk_roles[name])}), and the module does not know to which service" if length(local._sdk_roles[name]) > 0 },
    { for name, call in local._sdk : name => "the state has no ARN of what ${local.calls[name].service} is about, and no name that the module knows" if length(local._sdk_resources[name]) == 0 && length(local._sdk_unsaid[name]) + length(local._sdk_roles[name]) == 0 },
  )

  # One statement an action, so that none is allowed on another one's resources.
  _sdk_known = { for name, call in local._sdk : name => {
    sid       = "${replace(title(call.prefix), "-", "")}${title(call.action)}"
    actions   = ["${call.prefix}:${title(call.action)}"]
    resources = local._sdk_resources[name]
  } if !contains(keys(local._sdk_problems), name) }
}
