"""How earmark-1, the model that comes with earmark, is made: its music, teachers, tags, card, steps and page."""
