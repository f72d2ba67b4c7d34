"""The papers' tables: what they report, and the same rows trained and measured here."""
