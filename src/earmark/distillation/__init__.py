"""One small network taught by many: published networks label augmented music, and a student learns their answers."""
