# To approve: to look, and to answer a run that waits for a person.

data "aws_iam_policy_document" "approver" {
  source_policy_documents = [data.aws_iam_policy_document.reader.json]

  statement {
    sid     = "AnswerRunsThatWait"
    actions = ["states:SendTaskFailure", "states:SendTaskSuccess"]
    # A task token is all that these actions know; whoever may read a run's history can have it.
    resources = ["*"]
  }
}
