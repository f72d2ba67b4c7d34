"""Published weights of other projects, as checkpoints and cards of ours.

``vocabularies`` and ``published`` know the tags and the files, and need neither torch nor a network;
``recognise.import_weights`` reads a file.
"""
