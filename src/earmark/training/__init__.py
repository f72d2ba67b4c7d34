"""From a recipe and a dataset to a checkpoint. The only room, besides models, that needs torch and Lightning."""
