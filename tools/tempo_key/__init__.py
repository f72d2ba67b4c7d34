"""How the networks for tempo and key are made; see README.md. Not part of the package that is installed."""
