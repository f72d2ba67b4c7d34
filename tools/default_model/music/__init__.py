"""The music that earmark-2 learns from: a table of sources, and a command that downloads and lists it."""
