"""How the embedded model is made: scenes, style targets, training, evaluation, export."""
