# Whatever a definition calls, and what of it stands in the definition.

locals {
  # By integration, the fields that say what is called. Where one is known only while a run goes, nothing narrow can be
  # derived; of jobs, models and endpoints the names may be, for they are made there and then. The SDK's integration of a
  # call that has one of its own is treated alike, but for S3, where that reads and writes for distributed Maps.
  _fields = {
    "aws-sdk:dynamodb:query"                = ["TableName"]
    "aws-sdk:s3:deleteObject"               = ["Bucket", "Key"]
    "aws-sdk:s3:getObject"                  = ["Bucket", "Key"]
    "aws-sdk:s3:headObject"                 = ["Bucket", "Key"]
    "aws-sdk:s3:listObjectsV2"              = ["Bucket"]
    "aws-sdk:s3:putObject"                  = ["Bucket", "Key"]
    "aws-sdk:sagemaker:describeEndpoint"    = []
    "aws-sdk:secretsmanager:getSecretValue" = ["SecretId"]
    "aws-sdk:ssm:getParameter"              = ["Name"]
    "batch:submitJob"                       = ["JobDefinition", "JobQueue"]
    "dynamodb:deleteItem"                   = ["TableName"]
    "dynamodb:getItem"                      = ["TableName"]
    "dynamodb:putItem"                      = ["TableName"]
    "dynamodb:updateItem"                   = ["TableName"]
    "ecs:runTask"                           = ["Overrides.ExecutionRoleArn", "Overrides.TaskRoleArn", "TaskDefinition"]
    "events:putEvents"                      = ["Entries"]
    "glue:startJobRun"                      = ["JobName"]
    "lambda:invoke"                         = ["FunctionName"]
    "s3:getObject"                          = ["Bucket", "Key"]
    "s3:listObjectsV2"                      = ["Bucket"]
    "s3:putObject"                          = ["Bucket", "Prefix"]
    "sagemaker:createEndpoint"              = []
    "sagemaker:createEndpointConfig"        = []
    "sagemaker:createModel"                 = ["ExecutionRoleArn"]
    "sagemaker:createProcessingJob"         = ["RoleArn"]
    "sagemaker:createTrainingJob"           = ["RoleArn"]
    "sagemaker:createTransformJob"          = []
    "sagemaker:updateEndpoint"              = []
    "sns:publish"                           = ["TopicArn"]
    "sqs:sendMessage"                       = ["QueueUrl"]
    "states:startExecution"                 = ["StateMachineArn"]
  }
  _forms = {
    ExecutionRoleArn = "^arn:[^:]*:iam::[0-9]*:role/.+$"
    QueueUrl         = "^https://sqs\\.[^.]+\\.[^/]+/[0-9]+/[^/]+$"
    RoleArn          = "^arn:[^:]*:iam::[0-9]*:role/.+$"
    StateMachineArn  = "^arn:[^:]*:states:[^:]*:[^:]*:stateMachine:.+$"
    TaskRoleArn      = "^arn:[^:]*:iam::[0-9]*:role/.+$"
    TopicArn         = "^arn:[^:]*:sns:[^:]*:[^:]*:.+$"
  }
  _names = distinct(concat(
    ["EndpointConfigName", "EndpointName", "Key", "ModelName", "Prefix", "ProcessingJobName", "TrainingJobName", "TransformJobName"],
    flatten([for fields in values(local._sdk_names) : keys(fields)]),
  ))

  # Whatever calls something: a Task; of a distributed Map what reads its items (/ItemReader) and writes its results.
  _calls = merge(
    { for name, found in local._every_state : name => found[0].state if try(found[0].state.Type, "") == "Task" },
    { for name, found in local._every_state : "${name}/ItemReader" => found[0].state.ItemReader if can(found[0].state.ItemReader.Resource) },
    { for name, found in local._every_state : "${name}/ResultWriter" => found[0].state.ResultWriter if can(found[0].state.ResultWriter.Resource) },
  )
  _integrations = { for name, call in local._calls : name => try(
    replace(replace(regex("^arn:[^:]*:states:[^:]*:[^:]*:(.+?)(?:\\.sync(?::2)?|\\.waitForTaskToken)?$", call.Resource)[0], "aws-sdk:eventbridge:", "aws-sdk:events:"), "aws-sdk:sfn:", "aws-sdk:states:"), ""
  ) }
  _asks = { for name, call in local._calls : name => try(call.Parameters, call.Arguments, null) }

  calls = { for name, call in local._calls : name => {
    name     = name
    state    = replace(name, "/\\/(ItemReader|ResultWriter)$/", "")
    resource = try(tostring(call.Resource), "")
    service  = startswith(local._integrations[name], "aws-sdk:s3:") || !contains(keys(local._fields), trimprefix(local._integrations[name], "aws-sdk:")) ? local._integrations[name] : trimprefix(local._integrations[name], "aws-sdk:")
    waits    = can(regex("\\.sync(:2)?$", call.Resource))

    # Another account's or team's role does the work, where the state names one.
    role = can(call.Credentials) ? try(startswith(call.Credentials.RoleArn, "{%") ? "" : tostring(call.Credentials.RoleArn), "") : null

    # What stands in the definition as it is: no path, no expression, and what the field is to hold.
    given = merge(
      { for field in distinct(concat(flatten(values(local._fields)), ["RoleArn"])) : field => try(regex(
        lookup(local._forms, reverse(split(".", field))[0], "^[^{].*$"),
        try(local._asks[name][field], local._asks[name][split(".", field)[0]][split(".", field)[1]]),
      ), null) },
      # The buses of all events, each only once.
      { Entries = try(join(" ", distinct([for entry in local._asks[name].Entries : regex("^[^{ ]+$", can(entry["EventBusName.$"]) ? "{" : try(entry.EventBusName, "default"))])), null) },
      # A task need not have a role of its own.
      !can(local._asks[name]["Overrides.$"]) && !can(local._asks[name].Overrides.TaskRoleArn) && !can(local._asks[name].Overrides["TaskRoleArn.$"]) ? { "Overrides.TaskRoleArn" = "" } : {},
    )

    # Names of which only a part stands there, `run-*` of States.Format('run-{}', …) or {% 'run-' & … %}.
    named = { for field in local._names : field => try(
      startswith(trimspace(local._asks[name][field]), "{%")
      ? "${regex("^\\{%\\s*'([^']*)'\\s*&", local._asks[name][field])[0]}*"
      : tostring(local._asks[name][field]),
      replace(regex("^States\\.Format\\('((?:[^'\\\\]|\\\\.)*)'", local._asks[name]["${field}.$"])[0], "{}", "*"),
      "*",
    ) }
  } }
}
