"""Pages and tables of what was measured."""
