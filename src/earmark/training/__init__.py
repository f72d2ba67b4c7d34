"""From a recipe and a dataset to a checkpoint. Besides models, only this package needs torch and Lightning."""
