# The models that ship with the module. An entry of var.base_models adds a model or changes a shipped one field by field,
# so that a further model is one entry and no default has to be repeated.

locals {
  shipped_base_models = {
    image = {
      hyperparameters = {
        batch_size        = "32"
        conv_block_length = "1"
        cycle_length      = "6"
        depth             = "4"
        dropout           = "0.2"
        epochs            = "6"
        folds             = "2"
        max_lr            = "0.004"
        min_lr            = "0.0004"
        seed              = "1"
        start_filter      = "8"
        worker            = "0"
      }
      instance_type = "ml.g5.xlarge"
    }
    text = {
      hyperparameters = {
        batch_size     = "64"
        buckets        = "16384"
        cycle_length   = "6"
        dropout        = "0.3"
        embedding_size = "32"
        epochs         = "6"
        folds          = "3"
        max_lr         = "0.1"
        min_lr         = "0.005"
        ngrams         = "1"
        seed           = "1"
      }
      instance_type = "ml.m5.xlarge"
    }
  }
  shipped_sequence_hyperparameters = {
    batch_size   = "8"
    cycle_length = "10"
    dropout      = "0.3"
    epochs       = "30"
    hidden_size  = "48"
    layers       = "1"
    max_lr       = "0.01"
    min_lr       = "0.001"
    seed         = "1"
  }

  # SageMaker's instance types: ml., a family and a size.
  instance_type = "^ml\\.[a-z]+[0-9][a-z0-9-]*\\.(medium|large|[0-9]*xlarge|metal)$"

  _keys = [for key in setunion(keys(local.shipped_base_models), keys(var.base_models)) : key if try(var.base_models[key] != null, true)]

  # Map key `text` gives the state `Train Text Model`, the slug `train-text-model`, the skip key `train_text_model`, the
  # hyperparameter group `text_model` and the channel `text` (opsctl/domain/names.py derives the same from the state).
  base_models = { for key in local._keys : key => {
    title               = title(replace(key, "_", " "))
    slug                = "train-${replace(key, "_", "-")}-model"
    skip_key            = "train_${key}_model"
    hyperparameters_key = "${key}_model"

    compute           = try(coalesce(var.base_models[key].compute), "sagemaker")
    encrypt_traffic   = try(var.base_models[key].encrypt_traffic, null)
    heartbeat         = try(coalesce(var.base_models[key].heartbeat), 120)
    max_wait          = try(var.base_models[key].max_wait, null)
    network_isolation = try(var.base_models[key].network_isolation, null)
    spot              = try(var.base_models[key].spot, null)
    vpc               = try(var.base_models[key].vpc, null)
    warm_pool_seconds = try(var.base_models[key].warm_pool_seconds, null)

    environment = try(coalesce(var.base_models[key].environment), {})
    hyperparameters = { for name, value in merge(
      try(local.shipped_base_models[key].hyperparameters, {}),
      try(coalesce(var.base_models[key].hyperparameters), {}),
    ) : name => value if value != null }
    image = try(var.base_models[key].image, null)
    instance = {
      count     = try(coalesce(var.base_models[key].instance.count), 1)
      type      = try(coalesce(var.base_models[key].instance.type), local.shipped_base_models[key].instance_type, "ml.g5.xlarge")
      volume_gb = try(coalesce(var.base_models[key].instance.volume_gb), 30)
    }
    max_runtime = try(coalesce(var.base_models[key].max_runtime), 14400)
    metrics     = try(coalesce(var.base_models[key].metrics), toset(["train_loss", "validation_accuracy"]))
    script      = try(coalesce(var.base_models[key].script), "${key}.py")
  } }

  sequence_model = merge(var.sequence_model, {
    hyperparameters = { for name, value in merge(local.shipped_sequence_hyperparameters, var.sequence_model.hyperparameters) : name => value if value != null }
    script          = coalesce(var.sequence_model.script, "sequence.py")
  })
}
