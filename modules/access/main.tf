# What people need, and no more: to look, to operate, to approve; and what a worker outside AWS needs. Attach the documents to
# roles or permission sets of your own, or let this module make managed policies of them.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  _partition = data.aws_partition.current.partition
  _account   = data.aws_caller_identity.current.account_id
  _here      = "${data.aws_region.current.name}:${local._account}"

  # A managed policy has room for the ARNs of one machine and of a few jobs. Of more, or with long names, the common part
  # of their names stands for all.
  _machines = length(var.machines) == 1 && length(join("", var.machines)) <= 44 ? var.machines : toset(["${var.name}-*"])
  _jobs     = length(join("", var.jobs)) + 3 * length(var.name) <= 150 ? var.jobs : toset(["*-d*r*"])
  # With their versions and aliases, and the runs of theirs and of a distributed Map (<machine>/<label>). A `*` at the end takes
  # in what is behind a colon too (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html).
  machines = sort(flatten([for name in local._machines : [
    for part in endswith(name, "*") ? [""] : ["", ":*"] : "arn:${local._partition}:states:${local._here}:stateMachine:${name}${part}"
  ]]))
  executions = sort(flatten([for name in local._machines : [
    for part in endswith(name, "*") ? [""] : [":*", "/*"] : "arn:${local._partition}:states:${local._here}:execution:${name}${part}"
  ]]))
  map_runs   = sort([for name in local._machines : "arn:${local._partition}:states:${local._here}:mapRun:${name}/*"])
  bucket_arn = "arn:${local._partition}:s3:::${var.bucket}"

  # As managed policies are counted: without white space. IAM's limit is 6,144 characters.
  documents = {
    approver = jsonencode(jsondecode(data.aws_iam_policy_document.approver.json))
    operator = jsonencode(jsondecode(data.aws_iam_policy_document.operator.json))
    reader   = jsonencode(jsondecode(data.aws_iam_policy_document.reader.json))
    worker   = jsonencode(jsondecode(data.aws_iam_policy_document.worker.json))
  }
}

resource "aws_iam_policy" "this" {
  for_each = var.create_policies ? local.documents : {}

  name        = "${var.name}-${each.key}"
  description = "What opsctl needs: ${each.key} of ${var.name}"
  policy      = each.value

  lifecycle {
    precondition {
      condition     = length(each.value) <= 6144
      error_message = "The ${each.key} policy has ${length(each.value)} characters, and IAM takes 6144: use a shorter name, or attach the document of the output `policies` as an inline policy of a role (10240 characters)."
    }
  }
}
