"""Models from hubs and to them: folders as hubs have them, fetched and sent. Needs no PyTorch."""
