"""What both halves share: errors, cards, vocabularies, files, and tables as data. Imports nothing else of earmark."""
