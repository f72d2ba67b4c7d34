"""What is needed to develop earmark, and is no part of the package."""
