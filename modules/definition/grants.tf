# What the machine's role must allow, derived from what the definition calls. Each grant has a name (its statement's sid),
# actions and resources; grants of one name become one statement. The actions are those that the Step Functions developer
# guide lists for each integration ("IAM policies for integrated services"), and sagemaker:AddTags, which creating a job
# with Step Functions' own tags needs. Activities need none: their workers come and ask.

locals {
  _arn  = "arn:${var.template.partition}"
  _here = "${var.template.region}:${var.template.account}"
}

# What is called, as ARNs.
locals {
  _known = { for name, call in local.calls : name => call if call.role == null && (
    contains(keys(local._fields), call.service) && alltrue([for field in try(local._fields[call.service], []) : contains(["Key", "Prefix"], field) ? !startswith(call.named[field], "*") : call.given[field] != null])
  ) }

  _functions = { for name, call in local._known : name => (
    startswith(call.given.FunctionName, "arn:") ? call.given.FunctionName
    : strcontains(call.given.FunctionName, ":function:") ? "${local._arn}:lambda:${var.template.region}:${call.given.FunctionName}"
    : "${local._arn}:lambda:${local._here}:function:${call.given.FunctionName}"
  ) if call.service == "lambda:invoke" }

  _queues = { for name, call in local._known : name => format("%s:sqs:%s:%s:%s", local._arn, regex("^https://sqs\\.([^.]+)\\.[^/]+/([0-9]+)/(.+)$", call.given.QueueUrl)...) if call.service == "sqs:sendMessage" }

  _tables = { for name, call in local._known : name => startswith(call.given.TableName, "arn:") ? call.given.TableName : "${local._arn}:dynamodb:${local._here}:table/${call.given.TableName}" if call.given.TableName != null }

  # SageMaker's jobs by what makes them.
  _jobs = {
    "sagemaker:createProcessingJob" = { name = "ProcessingJob", kind = "processing-job", title = "Processing" }
    "sagemaker:createTrainingJob"   = { name = "TrainingJob", kind = "training-job", title = "Training" }
    "sagemaker:createTransformJob"  = { name = "TransformJob", kind = "transform-job", title = "Transform" }
  }

  _rule         = "${local._arn}:events:${local._here}:rule"
  _rule_actions = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
  _sagemaker    = "${local._arn}:sagemaker:${local._here}"
  _machine      = "${local._arn}:states:${local._here}:stateMachine:${var.template.machine}"
  _run          = "${local._arn}:states:${local._here}:execution:${var.template.machine}"
}

locals {
  _distributed = toset([for name, found in local._every_state : name if try(found[0].state.ItemProcessor.ProcessorConfig.Mode, "") == "DISTRIBUTED"])

  _grants = flatten([
    [for name, call in local.calls : { sid = "TakeOnOtherRoles", actions = ["sts:AssumeRole"], resources = [call.role] } if try(length(call.role) > 0, false)],

    # Lambda, SNS, SQS
    [for function in local._functions : { sid = "CallFunctions", actions = ["lambda:InvokeFunction"], resources = [function] }],
    [for call in local.calls : { sid = "CallFunctions", actions = ["lambda:InvokeFunction"], resources = [call.resource] } if can(regex("^arn:[^:]*:lambda:", call.resource)) && call.role == null],
    [for call in local._known : { sid = "Notify", actions = ["sns:Publish"], resources = [call.given.TopicArn] } if call.service == "sns:publish"],
    [for queue in local._queues : { sid = "SendToQueues", actions = ["sqs:SendMessage"], resources = [queue] }],

    # Batch
    [for call in local._known : [
      {
        sid     = "SubmitBatchJobs"
        actions = ["batch:SubmitJob"]
        resources = flatten([
          [for arn in [startswith(call.given.JobDefinition, "arn:") ? call.given.JobDefinition : "${local._arn}:batch:${local._here}:job-definition/${call.given.JobDefinition}"] : can(regex(":[0-9]+$", arn)) ? [arn] : [arn, "${arn}:*"]],
          startswith(call.given.JobQueue, "arn:") ? call.given.JobQueue : "${local._arn}:batch:${local._here}:job-queue/${call.given.JobQueue}",
        ])
      },
      [for waits in [call.waits] : [
        # The action knows no resources.
        { sid = "FollowBatchJobs", actions = ["batch:DescribeJobs"], resources = ["*"] },
        # Jobs have no names of ours, and the action cannot be narrowed to a queue or a definition.
        { sid = "StopBatchJobs", actions = ["batch:TerminateJob"], resources = ["${local._arn}:batch:${local._here}:job/*"] },
        { sid = "HearOfEndedBatchJobs", actions = local._rule_actions, resources = ["${local._rule}/StepFunctionsGetEventsForBatchJobsRule"] },
      ] if waits],
    ] if call.service == "batch:submitJob"],

    # ECS. Tasks have no names of ours; those of a cluster are all that can be told apart.
    [for call in local._known : [for cluster in [try(regex("[^/]+$", local._asks[call.name].Cluster), "*")] : concat(
      [{ sid = "RunTasks", actions = ["ecs:RunTask"], resources = [for arn in [startswith(call.given.TaskDefinition, "arn:") ? call.given.TaskDefinition : "${local._arn}:ecs:${local._here}:task-definition/${call.given.TaskDefinition}"] : can(regex(":[0-9]+$", arn)) ? arn : "${arn}:*"] }],
      [{ sid = "GiveTasksTheirRoles", actions = ["iam:PassRole"], resources = compact([call.given["Overrides.ExecutionRoleArn"], call.given["Overrides.TaskRoleArn"]]), passed_to = "ecs-tasks.amazonaws.com" }],
      can(local._asks[call.name].Tags) || can(local._asks[call.name].PropagateTags) ? [{ sid = "TagTasks", actions = ["ecs:TagResource"], resources = ["${local._arn}:ecs:${local._here}:task/${cluster}/*"] }] : [],
      call.waits ? [
        { sid = "FollowTasks", actions = ["ecs:DescribeTasks", "ecs:StopTask"], resources = ["${local._arn}:ecs:${local._here}:task/${cluster}/*"] },
        { sid = "HearOfEndedTasks", actions = local._rule_actions, resources = ["${local._rule}/StepFunctionsGetEventsForECSTaskRule"] },
      ] : [],
    )] if call.service == "ecs:runTask"],

    # EventBridge, Glue
    [for call in local._known : { sid = "SendEvents", actions = ["events:PutEvents"], resources = [for bus in split(" ", call.given.Entries) : startswith(bus, "arn:") ? bus : "${local._arn}:events:${local._here}:event-bus/${bus}"] } if call.service == "events:putEvents"],
    [for call in local._known : {
      sid       = "RunGlueJobs", actions = concat(["glue:StartJobRun"], call.waits ? ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns"] : [])
      resources = ["${local._arn}:glue:${local._here}:job/${call.given.JobName}"]
    } if call.service == "glue:startJobRun"],

    # SageMaker
    [for call in local._known : [
      {
        sid       = "Run${local._jobs[call.service].title}Jobs"
        actions   = concat(["sagemaker:AddTags", "sagemaker:Create${local._jobs[call.service].name}"], call.waits ? ["sagemaker:Describe${local._jobs[call.service].name}", "sagemaker:Stop${local._jobs[call.service].name}"] : [])
        resources = ["${local._sagemaker}:${local._jobs[call.service].kind}/${call.named["${local._jobs[call.service].name}Name"]}"]
      },
      # Step Functions asks before it knows the job.
      { sid = "ReadTags", actions = ["sagemaker:ListTags"], resources = ["${local._sagemaker}:${local._jobs[call.service].kind}/*"] },
      [for waits in [call.waits] : {
        sid = "HearOfEnded${local._jobs[call.service].title}Jobs", actions = local._rule_actions, resources = ["${local._rule}/StepFunctionsGetEventsForSageMaker${local._jobs[call.service].title}JobsRule"]
      } if waits],
    ] if contains(keys(local._jobs), call.service)],
    [for call in local._known : { sid = "MakeModels", actions = ["sagemaker:AddTags", "sagemaker:CreateModel"], resources = ["${local._sagemaker}:model/${call.named.ModelName}"] } if call.service == "sagemaker:createModel"],
    [for call in local._known : { sid = "ConfigureEndpoints", actions = ["sagemaker:AddTags", "sagemaker:CreateEndpointConfig"], resources = ["${local._sagemaker}:endpoint-config/${call.named.EndpointConfigName}"] } if call.service == "sagemaker:createEndpointConfig"],
    # Whoever creates an endpoint grants SageMaker the use of its volumes' key
    # (https://docs.aws.amazon.com/sagemaker/latest/dg/api-permissions-reference.html).
    [for call in local._known : [for key in [try(regex("^arn:[^:]*:kms:.+$", local._asks[call.name].KmsKeyId), null)] : {
      sid = "EncryptVolumesOfEndpoints", actions = ["kms:CreateGrant"], resources = [key], for_aws = true
    } if key != null] if call.service == "sagemaker:createEndpointConfig"],
    [for call in local._known : {
      sid       = "DeployEndpoints", actions = ["sagemaker:AddTags", "sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"]
      resources = ["${local._sagemaker}:endpoint-config/${call.named.EndpointConfigName}", "${local._sagemaker}:endpoint/${call.named.EndpointName}"]
    } if contains(["sagemaker:createEndpoint", "sagemaker:updateEndpoint"], call.service)],
    [for call in local._known : { sid = "SeeEndpoints", actions = ["sagemaker:DescribeEndpoint"], resources = ["${local._sagemaker}:endpoint/${call.named.EndpointName}"] } if call.service == "aws-sdk:sagemaker:describeEndpoint"],
    [for call in local._known : [for role in [call.given.RoleArn, call.given.ExecutionRoleArn] : {
      sid = "GiveJobsTheirRole", actions = ["iam:PassRole"], resources = [role], passed_to = "sagemaker.amazonaws.com"
    } if role != null] if startswith(call.service, "sagemaker:")],

    # Other machines; the children of a distributed Map are executions of this machine itself.
    [for call in local._known : [
      # IAM is asked about the machine, also where a version or an alias of it is started
      # (https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html).
      { sid = "StartOtherMachines", actions = ["states:StartExecution"], resources = [join(":", slice(split(":", call.given.StateMachineArn), 0, 7))] },
      [for waits in [call.waits] : [
        { sid = "FollowOtherMachines", actions = ["states:DescribeExecution", "states:StopExecution"], resources = ["${join(":", slice(split(":", replace(call.given.StateMachineArn, ":stateMachine:", ":execution:")), 0, 7))}:*"] },
        { sid = "HearOfEndedMachines", actions = local._rule_actions, resources = ["${local._rule}/StepFunctionsGetEventsForStepFunctionsExecutionRule"] },
      ] if waits],
    ] if call.service == "states:startExecution"],
    [for name in local._distributed : [
      { sid = "StartChildren", actions = ["states:StartExecution"], resources = [local._machine] },
      # A Map's children: <machine>/<label>.
      { sid = "FollowChildren", actions = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"], resources = ["${local._run}:*", "${local._run}/*:*"] },
    ]],

    # Data
    [for name, call in local._known : [for action in [regex("[^:]+$", call.service)] : {
      sid = "${title(action)}s", actions = ["dynamodb:${title(action)}"], resources = concat([local._tables[name]], action == "query" ? ["${local._tables[name]}/index/*"] : [])
    }] if strcontains(call.service, "dynamodb:")],
    [for name, call in local._known : { sid = "ReadSecrets", actions = ["secretsmanager:GetSecretValue"], resources = [startswith(call.given.SecretId, "arn:") ? call.given.SecretId : "${local._arn}:secretsmanager:${local._here}:secret:${call.given.SecretId}-??????"] } if call.service == "aws-sdk:secretsmanager:getSecretValue"],
    [for name, call in local._known : { sid = "ReadParameters", actions = ["ssm:GetParameter"], resources = ["${local._arn}:ssm:${local._here}:parameter/${trimprefix(call.given.Name, "/")}"] } if call.service == "aws-sdk:ssm:getParameter"],
    [for name, call in local._known : { sid = "ReadObjects", actions = ["s3:GetObject"], resources = ["${local._arn}:s3:::${call.given.Bucket}/${call.named.Key}"] } if contains(["aws-sdk:s3:getObject", "aws-sdk:s3:headObject"], call.service)],
    [for name, call in local._known : { sid = "WriteObjects", actions = ["s3:PutObject"], resources = ["${local._arn}:s3:::${call.given.Bucket}/${call.named.Key}"] } if call.service == "aws-sdk:s3:putObject"],
    [for name, call in local._known : { sid = "DeleteObjects", actions = ["s3:DeleteObject"], resources = ["${local._arn}:s3:::${call.given.Bucket}/${call.named.Key}"] } if call.service == "aws-sdk:s3:deleteObject"],
    [for name, call in local._known : { sid = "ListObjects", actions = ["s3:ListBucket"], resources = ["${local._arn}:s3:::${call.given.Bucket}"] } if contains(["aws-sdk:s3:listObjectsV2", "s3:listObjectsV2"], call.service)],
    [for name, call in local._known : { sid = "ReadItems", actions = ["s3:GetObject"], resources = ["${local._arn}:s3:::${call.given.Bucket}/${call.named.Key}"] } if call.service == "s3:getObject"],
    [for name, call in local._known : {
      sid       = "WriteResults", actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      resources = ["${local._arn}:s3:::${call.given.Bucket}/${trimsuffix(call.named.Prefix, "*")}*"]
    } if call.service == "s3:putObject"],

    # What else the SDK calls (sdk.tf)
    values(local._sdk_known),
  ])

  grants = { for sid, grants in { for grant in local._grants : grant.sid => grant... } : sid => {
    actions   = sort(distinct(flatten(grants[*].actions)))
    resources = sort(distinct(flatten(grants[*].resources)))
    passed_to = try(grants[0].passed_to, null)
    for_aws   = try(grants[0].for_aws, false)
  } }
}

# What nothing is known of.
locals {
  _remedies = { for name, call in local.calls : name => (
    call.role != null ? "the role of its Credentials is known only while a run goes"
    : call.service == "" ? "${jsonencode(call.resource)} is no resource that a Task can have"
    : !contains(keys(local._fields), call.service) ? try(local._sdk_problems[name], "the module knows no permissions for ${call.service}")
    : "the definition does not say what is called (${join(", ", [for field in local._fields[call.service] : field if contains(["Key", "Prefix"], field) ? startswith(call.named[field], "*") : call.given[field] == null])})"
  ) if !contains(keys(local._known), name) && !contains(keys(local._sdk_known), name) && (call.role == "" || call.role == null && !can(regex("^arn:[^:]*:(lambda|states:[^:]+:[0-9]+:activity):", call.resource))) && !contains(keys(var.policies), call.state) }

  _unknown_grants = concat(
    [for name, reason in local._remedies :
      "${var.file}, state ${jsonencode(local.calls[name].state)}: what the machine's role must allow cannot be derived: ${reason}. Write what is called into the definition, or give the permissions as a policy document (JSON) in ${var.settings}.policies[${jsonencode(local.calls[name].state)}]."
    ],
    [for name in distinct(local._too_deep) :
      "${var.file}, state ${jsonencode(name)}: the states in it are nested deeper than the module looks for what its role must allow. Make a machine of its own of them, and start it by states:startExecution."
    ],
    [for name in keys(var.policies) :
      "${var.file}: ${var.settings}.policies names the state ${jsonencode(name)}, which the definition does not have. Correct the name, or leave it out."
      if local.definition != null && !contains(keys(local._every_state), name)
    ],
  )
}
