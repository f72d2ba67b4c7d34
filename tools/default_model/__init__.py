"""How the models that come with earmark are made, earmark-1 and earmark-2: music, teachers, tags, cards, steps and pages."""
