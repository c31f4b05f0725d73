# Functions in a VPC, where that is asked for: Lambda makes their network interfaces as the function's own role
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions).

data "aws_iam_policy_document" "network" {
  for_each = { for key, name in local.names : key => name if var.network != null }

  statement {
    sid     = "JoinTheVpc"
    actions = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    resources = [
      for kind in ["network-interface", "security-group", "subnet"] :
      "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:${kind}/*"
    ]
  }
  statement {
    sid     = "FindTheVpc"
    actions = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    # The actions know no resources.
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "network" {
  for_each = data.aws_iam_policy_document.network

  name   = "network"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.json
}
