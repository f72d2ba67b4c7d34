"""What both halves rest on: errors, cards, vocabularies, files, and tables as data. Imports nothing else of earmark."""
