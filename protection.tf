# What stands between a destroy and the data. Everything else is there before it, so a destroy begins here, and ends here
# with nothing destroyed while the bucket's contents are not to go with it. The provider would find out last of all: when
# the machines are gone and S3 refuses to delete a bucket that is not empty.

resource "terraform_data" "protection" {
  input = { bucket = local.bucket, force_destroy = var.storage.force_destroy }

  provisioner "local-exec" {
    when    = destroy
    quiet   = true
    command = self.input.force_destroy ? "exit 0" : "echo 'Nothing was destroyed: the bucket ${self.input.bucket} holds data and models. To delete them too, set storage.force_destroy = true, run terraform apply, then terraform destroy. To keep them, run terraform state rm on the addresses of the bucket and its key first (docs/removal.md).' >&2 && exit 1"
  }

  depends_on = [
    module.access, module.activities, module.alarms, module.batch, module.definitions, module.encryption, module.endpoint_role,
    module.functions, module.images, module.machines, module.network, module.notifications, module.storage,
    module.training_role, module.transform_role, module.triggers,
  ]
}
