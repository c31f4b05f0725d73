# AWS's own PyTorch inference containers of this region; they load code/inference.py of a model.

data "aws_sagemaker_prebuilt_ecr_image" "this" {
  for_each = {
    cpu = "2.6.0-cpu-py312-ubuntu22.04-sagemaker"
    gpu = "2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker"
  }

  repository_name = "pytorch-inference"
  image_tag       = each.value
}

locals {
  images = { for kind, image in data.aws_sagemaker_prebuilt_ecr_image.this : kind => image.registry_path }

  # 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/image:tag names an account, a region and a repository.
  _repositories = [
    for image in concat(values(local.images), var.images) :
    regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[^/]+/(?P<name>[^:@]+)", image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.[^/]+/[^:@]+", image))
  ]
  repository_arns = distinct([
    for repository in local._repositories :
    "arn:${data.aws_partition.current.partition}:ecr:${repository.region}:${repository.account}:repository/${repository.name}"
  ])
}
